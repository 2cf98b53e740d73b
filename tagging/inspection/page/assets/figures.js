// Figures as bars: channels, contributions to the confidence, and the confidence without an input.

const READS = {
  text: "similar titles",
  video: "similar pictures",
  audio: "similar sound",
  multimodal: "similar videos as a whole",
  lexical: "shared rare words",
  words: "all words of the name",
  classifier: "learnt from tagged videos",
  similarity: "close to the name",
  extracted: "phrase of the text",
  uploader: "tags of the uploader",
  written: "name in the title",
  literal: "name in the text",
  described: "name in the description",
  seen: "class of the picture",
  heard: "class of the sound",
  spoken: "name that is said",
  shown: "name on the screen",
};

// A table of named bars. rows: {name, note, bar, figure}
function barTable(caption, rows) {
  const body = rows.map((row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, userText(row.name), row.note ? el("span", { class: "note" }, row.note) : null),
      el("td", { class: "bar-cell", "aria-hidden": "true" }, row.bar ?? null),
      el("td", { class: "figure" }, row.figure),
    ),
  );
  return el("table", { class: "bars" }, el("caption", { class: "hidden" }, caption), el("tbody", {}, body));
}

const plainBar = (value) => el("span", { class: "bar" }, el("span", { class: "fill", "--value": share(value) }));

function channelsCard(explanation, subject) {
  const scores = channelScores(subject);
  const proposing = explanation.channels.filter((channel) => scores.has(channel.name));
  const rows = proposing.map((channel) => {
    const { score, rank } = scores.get(channel.name);
    const place = rank ? `${ordinal(rank)} of ${whole(channel.proposal_count)}` : "";
    return { name: channel.name, note: READS[channel.name], bar: plainBar(score), figure: [figure(score), el("span", { class: "note" }, place)] };
  });
  const scoreOf = (row) => scores.get(row.name).score;
  rows.sort((left, right) => scoreOf(right) - scoreOf(left));
  const note = "Each channel looks at one aspect of the video and proposes tags with a score from 0 to 1.";
  return card("channels", "Channels", note, rows.length ? barTable("Score of each channel", rows) : null, otherChannels(explanation, scores));
}

// The channels that did not propose the tag, and those that had nothing to look at.
function otherChannels(explanation, scores) {
  const others = explanation.channels.filter((channel) => !scores.has(channel.name));
  const named = (channels) => listed(channels.map(({ name }) => (READS[name] ? `${name} (${READS[name]})` : name)));
  const silent = others.filter((channel) => channel.has_input);
  const blind = others.filter((channel) => !channel.has_input);
  if (!others.length) return null;
  return el(
    "div",
    { class: "others" },
    silent.length ? el("p", {}, `Did not propose it: ${named(silent)}.`) : null,
    blind.length ? el("p", {}, `Had no input: ${named(blind)}.`) : null,
  );
}

function contributionsCards(subject) {
  const { trace } = subject;
  if (!trace) return [];
  const cards = [
    contributionsCard("contributions", "What moved the confidence", trace.contributions, trace.confidence, "confidence"),
    contributionsCard("recall-contributions", "What moved its place among the candidates", trace.recall_contributions, trace.recall_probability, "probability"),
  ];
  return cards.filter((found) => found !== null);
}

function contributionsCard(id, heading, contributions, result, noun) {
  const entries = Object.entries(contributions ?? {}).sort((left, right) => Math.abs(right[1]) - Math.abs(left[1]));
  if (!entries.length) return null;
  const moving = entries.filter(([, value]) => Math.abs(value) >= 0.005);
  const largest = Math.max(...entries.map(([, value]) => Math.abs(value)), 1e-6);
  const rows = moving.map(([name, value]) => ({
    name: name.replaceAll("+", " + "),
    bar: el("span", { class: `bar both ${value < 0 ? "against" : "for"}` }, el("span", { class: "fill", "--value": share(Math.abs(value) / largest / 2) })),
    figure: signed(value),
  }));
  const sum = entries.reduce((total, [, value]) => total + value, 0);
  const note = result === null ? null : `Log-odds: to the right they speak for the tag. Together ${signed(sum)}, which is a ${noun} of ${figure(result)}.`;
  return card(id, heading, note, barTable(heading, rows));
}

function ablationsCard(subject, explanation) {
  const { question, trace } = subject;
  if (question === null && trace?.confidence !== null && trace) return card("ablations", "Without one input", askNote(subject));
  if (!question?.ablations.length) return null;
  const before = trace?.confidence ?? null;
  const rows = question.ablations.map((ablation) => {
    const isRanked = ablation.confidence !== null;
    const change = isRanked && before !== null ? changeInWords(ablation.confidence - before) : "";
    return {
      name: ablation.kind === "neighbour" ? ablation.title || ablation.name : ablation.name,
      note: `${ablation.kind}; ${STATES[ablation.outcome].label.toLowerCase()}`,
      bar: isRanked ? confidenceMeter(ablation.confidence, explanation.min_confidence) : null,
      figure: isRanked ? [figure(ablation.confidence), el("span", { class: "note" }, change)] : "not ranked",
    };
  });
  const note = "The confidence when one input is left out, computed again. The line is the confidence that is needed.";
  return card("ablations", "Without one input", note, shortenedTable("Confidence without each input", rows, 12));
}

const changeInWords = (change) => (Math.abs(change) < 0.005 ? "no change" : signed(change));

function askNote(subject) {
  const option = el("code", {}, "--why ", el("bdi", {}, `"${subject.name}"`));
  return ["For a tag that is asked about with ", option, ", the confidence without each input is computed and shown here."];
}

function shortenedTable(caption, rows, count) {
  const table = barTable(caption, rows);
  const body = table.querySelector("tbody");
  const bodyRows = [...body.children];
  body.replaceChildren();
  const holder = shortened(body, bodyRows, count, "inputs");
  if (holder === body) return table;
  const button = holder.querySelector("button");
  table.append(body);
  return el("div", {}, table, button);
}
