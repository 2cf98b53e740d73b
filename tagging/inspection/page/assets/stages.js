// The way of a tag through the stages, and the verdict in words.

const STAGES = { known: "Known", proposed: "Proposed", candidate: "Candidate", confidence: "Confident", answer: "Answered" };

function stageStrip(subject, explanation) {
  const details = stageDetails(subject, explanation);
  const dropped = STATES[subject.outcome].stage;
  let isPast = false;
  const rows = Object.entries(STAGES).map(([stage, name]) => {
    const state = isPast ? "skipped" : stage === dropped ? "dropped" : "passed";
    isPast ||= stage === dropped;
    const words = { passed: "passed", dropped: "dropped here", skipped: "not reached" }[state];
    return el(
      "li",
      { class: `stage ${state}` },
      el("span", { class: "sign", "aria-hidden": "true" }, { passed: "✓", dropped: "✕", skipped: "–" }[state]),
      el("span", { class: "stage-name" }, name, el("span", { class: "hidden" }, `: ${words}`)),
      el("span", { class: "stage-detail" }, state === "skipped" ? "not reached" : details[stage]),
    );
  });
  return el("ol", { class: "stages", "aria-label": "Way through the stages" }, rows);
}

function stageDetails(subject, explanation) {
  const { trace, outcome } = subject;
  const scores = [...channelScores(subject)].sort((left, right) => right[1].score - left[1].score);
  const best = scores.length ? `${plural(scores.length, "channel")}, best ${scores[0][0]}` : "no channel proposed it";
  const needed = neededConfidence(explanation);
  const confidence = trace?.confidence ?? null;
  return {
    known: { hidden: "hidden by an editor", unknown: "no tag has this name" }[outcome] ??
      (trace?.is_new ? "new phrase of the text" : "tag of the catalog"),
    proposed: best,
    candidate: candidateDetail(trace, explanation),
    confidence: confidence === null ? "" : `${figure(confidence)}, ${needed}`,
    answer: { beyond_limit: `at most ${explanation.max_tags}`, implied: "a narrower tag was" }[outcome] ??
      (trace?.rank ? `${ordinal(trace.rank)} by confidence` : ""),
  };
}

function candidateDetail(trace, { union_size: unionSize, budget }) {
  if (budget === null) return `one of ${whole(unionSize)}; all are ranked`;
  const place = trace?.recall_rank ? `${ordinal(trace.recall_rank)} of ${whole(unionSize)}` : "not among the candidates";
  return `${place}; the first ${whole(budget)} are ranked`;
}

function neededConfidence({ min_confidence: least }) {
  return least > 1 ? "none is enough" : `${figure(least)} needed`;
}

// Why it was answered, or at which stage it fell.
function verdict(subject, explanation) {
  if (subject.question) return subject.question.reason;
  const { trace, outcome } = subject;
  const channels = [...channelScores(subject)].sort((left, right) => right[1].score - left[1].score).map(([name]) => name);
  const proposed = channels.length ? ` Proposed by ${listed(channels)}.` : "";
  if (!trace?.rank) return `It is not among the candidates that are ranked.${proposed}`;
  const missing = explanation.min_confidence - trace.confidence;
  const ends = {
    answered: " with enough confidence.",
    beyond_limit: `, but at most ${plural(explanation.max_tags, "tag")} ${explanation.max_tags === 1 ? "is" : "are"} answered.`,
    implied: `, but the narrower tag “${trace.implied_by}” was answered instead.`,
    below_confidence:
      explanation.min_confidence > 1
        ? ", but no confidence reaches the precision that was asked for."
        : `, but ${missing < 0.005 ? "slightly" : figure(missing)} short of the confidence that is needed.`,
  };
  return `${ordinal(trace.rank)} of ${plural(rankedCount(explanation), "candidate")}${ends[outcome] ?? "."}${proposed}`;
}

const rankedCount = (explanation) => explanation.tags.filter((trace) => trace.confidence !== null).length;
const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

// Confidence as a bar with the threshold as a line.
function confidenceMeter(confidence, threshold) {
  return el(
    "span",
    { class: `meter ${confidence >= threshold ? "enough" : ""}`, "aria-hidden": "true" },
    el("span", { class: "fill", "--value": share(confidence) }),
    el("span", { class: "threshold", "--value": share(threshold) }),
  );
}

function verdictCard(subject, explanation) {
  const { trace, question, outcome } = subject;
  const confidence = trace?.confidence ?? null;
  const heading = el("h2", { id: "subject-heading", tabindex: "-1" }, userText(subject.name));
  return el(
    "section",
    { class: "card verdict", "aria-labelledby": "subject-heading" },
    el(
      "div",
      { class: "verdict-head" },
      heading,
      el("span", { class: `badge ${outcome === "answered" ? "good" : "bad"}` }, STATES[outcome].label),
      trace?.is_new ? el("span", { class: "badge" }, "New phrase") : null,
    ),
    confidence === null
      ? null
      : el(
          "p",
          { class: "confidence" },
          el("strong", {}, figure(confidence)),
          confidenceMeter(confidence, explanation.min_confidence),
          el("span", { class: "note" }, `confidence, ${neededConfidence(explanation)}`),
        ),
    el("p", { class: "reason" }, userText(verdict(subject, explanation))),
    question?.requirement ? el("p", { class: "requirement" }, userText(question.requirement)) : null,
    stageStrip(subject, explanation),
    evidenceList(subject),
  );
}

// The pieces of evidence in words, the best of each channel.
function evidenceList(subject) {
  const best = new Map();
  for (const piece of evidenceOf(subject)) if (!best.has(piece.channel)) best.set(piece.channel, piece);
  if (!best.size) return null;
  const rows = [...best.values()].map((piece) =>
    el("li", {}, el("span", {}, describedEvidence(piece)), el("span", { class: "note" }, `${piece.channel} ${figure(piece.similarity)}`)),
  );
  return el("div", { class: "because" }, el("h3", {}, "Because of"), shortened(el("ul", {}), rows, 6, "reasons"));
}

function describedEvidence(piece) {
  const quoted = ["“", userText(piece.text ?? ""), "”"];
  if (piece.kind === "speech") return [...quoted, ` said at ${clock(piece.start_s ?? 0)}`];
  if (piece.kind === "screen") return [...quoted, ` on screen at ${clock(piece.start_s ?? 0)}`];
  if (piece.kind === "frame") {
    const at = piece.start_s === null ? "" : `, ${clockRange(piece.start_s, piece.end_s)}`;
    return [`frame ${piece.frame} of ${piece.frames}${at}`];
  }
  if (piece.kind === "sound") return [`sound at ${clock(piece.start_s ?? 0)}`];
  if (piece.kind === "uploader") return [userText(piece.text ?? "")];
  if (piece.kind === "text") return [...quoted, " in the text"];
  return ["similar video “", userText(piece.title || piece.video_id || ""), "”"];
}
