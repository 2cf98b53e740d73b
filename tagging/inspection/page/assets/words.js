// Words of title, description, speech and screen text, with those that speak for a tag marked.

const SOURCES = { speech: "Said", screen: "On screen" };

// The text with each phrase in a <mark>: whole words where there are any, parts otherwise.
function marked(text, phrases) {
  const pattern = phrasePattern(text, phrases);
  if (pattern === null) return userText(text);
  const node = userText("");
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    if (!found[0]) continue;
    node.append(text.slice(end, found.index), el("mark", {}, found[0]));
    end = found.index + found[0].length;
  }
  node.append(text.slice(end));
  return node;
}

function phrasePattern(text, phrases) {
  const escaped = phrases
    .map((phrase) => phrase.trim())
    .filter(Boolean)
    .sort((left, right) => right.length - left.length)
    .map((phrase) => phrase.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&").replace(/\s+/gu, "\\s+"));
  if (!escaped.length) return null;
  const either = escaped.join("|");
  const words = new RegExp(`(?<![\\p{L}\\p{N}])(?:${either})(?![\\p{L}\\p{N}])`, "giu");
  if (words.test(text)) return new RegExp(words.source, "giu");
  const parts = new RegExp(either, "giu");
  return parts.test(text) ? new RegExp(either, "giu") : null;
}

function phrasesOf(subject, ...kinds) {
  const phrases = evidenceOf(subject).filter((piece) => piece.text && kinds.includes(piece.kind));
  return [...new Set(phrases.map((piece) => piece.text))];
}

function wordsCard(explanation, subject, seek) {
  const { video, looked_at: lookedAt } = explanation;
  const written = phrasesOf(subject, "text");
  const rows = [];
  if (video.title.trim()) rows.push(["Title", el("p", { class: "title-words" }, marked(video.title, written))]);
  if (video.description.trim()) rows.push(["Description", longText(marked(video.description, written))]);
  for (const [source, label] of Object.entries(SOURCES)) {
    const passages = lookedAt.passages[source] ?? [];
    if (passages.length) rows.push([label, passageList(passages, phrasesOf(subject, source), seek)]);
  }
  if (!rows.length) return null;
  const texts = rows.map(([label, content]) => el("div", {}, el("dt", {}, label), el("dd", {}, content)));
  return card("words", "Words", wordsNote(texts, subject), el("dl", { class: "words-list" }, texts));
}

function wordsNote(nodes, subject) {
  if (subject === null) return null;
  if (nodes.some((node) => node.querySelector("mark"))) return ["Marked words speak for ", userText(subject.name), "."];
  return ["No word was found that names ", userText(subject.name), "."];
}

// A long text in part, with the rest on request.
function longText(content) {
  const box = el("div", { class: "long-text" }, content);
  if (content.textContent.length < 600) return box;
  const button = el("button", { type: "button", class: "more", "aria-expanded": "false" }, "Show the whole text");
  box.classList.add("clamped");
  button.addEventListener("click", () => {
    const isOpen = box.classList.toggle("clamped") === false;
    button.setAttribute("aria-expanded", String(isOpen));
    button.textContent = isOpen ? "Show less" : "Show the whole text";
  });
  return el("div", {}, box, button);
}

// Passages, those with a marked word first where there are many.
function passageList(passages, phrases, seek) {
  const rows = passages.map((passage) => {
    const time = clockRange(passage.start_s, passage.end_s);
    const button = el("button", { type: "button", class: "time", onclick: () => seek(passage.start_s) }, time);
    return el("li", {}, button, el("span", {}, marked(passage.text, phrases)));
  });
  const ordered =
    rows.length > 8
      ? [...rows].sort((left, right) => Boolean(right.querySelector("mark")) - Boolean(left.querySelector("mark")))
      : rows;
  return shortened(el("ol", { class: "passages" }), ordered, 8, "passages");
}
