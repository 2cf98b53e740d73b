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
      { class: row.isFaint ? "faint" : null },
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
  const rows = explanation.channels.map((channel) => {
    const found = scores.get(channel.name);
    const reads = READS[channel.name];
    if (!found) {
      return { name: channel.name, note: reads, isFaint: true, figure: channel.has_input ? "not proposed" : "no input" };
    }
    const rank = found.rank ? `${ordinal(found.rank)} of ${whole(channel.proposal_count)}` : "";
    const score = [figure(found.score), el("span", { class: "note" }, rank)];
    return { name: channel.name, note: reads, bar: plainBar(found.score), figure: score };
  });
  const scoreOf = (row) => scores.get(row.name)?.score ?? -1;
  rows.sort((left, right) => scoreOf(right) - scoreOf(left));
  const table = barTable("Score of each channel", rows);
  return card("channels", "Channels", "Each channel looks at one aspect of the video and proposes tags with a score from 0 to 1.", table);
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
  const largest = Math.max(...entries.map(([, value]) => Math.abs(value)), 1e-6);
  const rows = entries.map(([name, value]) => ({
    name,
    bar: el("span", { class: `bar both ${value < 0 ? "against" : "for"}` }, el("span", { class: "fill", "--value": share(Math.abs(value) / largest / 2) })),
    figure: signed(value),
  }));
  const sum = entries.reduce((total, [, value]) => total + value, 0);
  const note = result === null ? null : `Log-odds: to the right they speak for the tag. Together ${signed(sum)}, which is a ${noun} of ${figure(result)}.`;
  return card(id, heading, note, barTable(heading, rows));
}

function ablationsCard(subject, explanation) {
  const { question, trace } = subject;
  if (!question?.ablations.length) return null;
  const before = trace?.confidence ?? null;
  const rows = question.ablations.map((ablation) => {
    const isRanked = ablation.confidence !== null;
    const change = isRanked && before !== null ? signed(ablation.confidence - before) : "";
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
