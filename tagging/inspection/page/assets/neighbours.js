// Labelled videos that voted, by channel: those with the tag first shown, all on request.

const NEIGHBOURS_SHOWN = 4;

function neighboursCard(explanation, subject) {
  const groups = explanation.channels.filter((channel) => channel.voters.length).map((channel) => neighbourGroup(channel, subject));
  if (!groups.length) return null;
  const note = ["Labelled videos near this one vote for their tags. Those marked have the tag ", userText(subject.name), "."];
  return card("neighbours", "Neighbours", note, ...groups);
}

function neighbourGroup(channel, subject) {
  const name = normalised(subject.name);
  const hasTag = (voter) => voter.tags.some((tag) => normalised(tag) === name);
  const voters = [...channel.voters].sort((left, right) => Number(hasTag(right)) - Number(hasTag(left)));
  const count = channel.voters.filter(hasTag).length;
  const rows = voters.map((voter) => neighbourRow(voter, hasTag(voter), name));
  const shown = count ? Math.min(count, NEIGHBOURS_SHOWN) : 2;
  const votes = `${whole(count)} of the ${plural(channel.voters.length, "nearest video")} ${count === 1 ? "has" : "have"} the tag`;
  return el(
    "div",
    { class: "neighbour-group" },
    el("h4", {}, channel.name, " ", el("span", { class: "note" }, READS[channel.name] ? `${READS[channel.name]}; ${votes}` : votes)),
    shortened(el("ul", { class: "neighbour-list" }), rows, shown, "neighbours"),
  );
}

function neighbourRow(voter, isVote, name) {
  const tags = voter.tags.slice(0, 8).map((tag) => el("li", {}, normalised(tag) === name ? el("mark", {}, userText(tag)) : userText(tag)));
  if (isVote && !voter.tags.slice(0, 8).some((tag) => normalised(tag) === name)) tags.push(el("li", {}, el("mark", {}, userText(name))));
  return el(
    "li",
    { class: isVote ? "vote" : null },
    el("div", { class: "neighbour-title" }, userText(voter.title || voter.video_id)),
    el("div", { class: "similarity" }, plainBar(voter.similarity), el("span", {}, el("span", { class: "hidden" }, "similarity "), figure(voter.similarity))),
    tags.length ? el("ul", { class: "chips", "aria-label": "Its tags" }, tags) : null,
  );
}
