// Tags of the video with their evidence, and the editor's verdicts on them.

const LABELS = { accepted: "Accepted", rejected: "Rejected", added: "Added" };
const EVIDENCE_SHOWN = 5;

// decide(key, "accepted" | "rejected" | null), choose(tag): called when the current tag changes, seek(second)
function tagsCard(video, { decide, choose, seek }) {
  const answered = el("ul", { class: "rows" });
  const possible = el("ul", { class: "rows" });
  const added = el("ul", { class: "rows" });
  const groups = [
    [added, el("h3", {}, "Added")],
    [answered, el("h3", {}, "Answered")],
    [possible, el("h3", {}, "Possible")],
  ];
  let rows = [];
  let verdicts = new Map();
  let current = null;

  function addRow(list, tag) {
    const row = tagRow(tag, {
      onverdict: (verdict) => decide(tag.key, verdictOf(tag.key) === verdict ? null : verdict),
      onfocus: () => select(row, false),
      seek,
    });
    list.append(row.element);
  }
  function collect() {
    const elements = groups.flatMap(([list]) => [...list.children]);
    rows = elements.map((element) => rowOf.get(element));
    for (const [list, heading] of groups) heading.hidden = list.hidden = !list.children.length;
  }
  const verdictOf = (key) => (verdicts.get(key) === "added" ? "accepted" : (verdicts.get(key) ?? null));

  function select(row, moveFocus) {
    if (!row) return;
    for (const other of rows) other.setCurrent(other === row);
    const isChanged = current !== row;
    current = row;
    if (moveFocus) {
      row.element.focus({ preventScroll: true });
      row.element.scrollIntoView({ block: "nearest" });
    }
    if (isChanged) choose(row.tag);
  }
  function update(decisions) {
    verdicts = new Map(decisions.map((made) => [made.key, made.verdict]));
    const own = new Set(video.tags.map((tag) => tag.key));
    const wanted = decisions.filter((made) => !own.has(made.key));
    for (const element of [...added.children]) {
      if (!wanted.some((made) => made.key === element.dataset.key)) {
        if (current?.element === element) current = null;
        element.remove();
      }
    }
    for (const made of wanted) {
      if (![...added.children].some((element) => element.dataset.key === made.key)) {
        addRow(added, { key: made.key, name: made.name, confidence: null, is_new: made.is_new, evidence: [], spans: [] });
      }
    }
    collect();
    for (const row of rows) row.setVerdict(verdicts.get(row.tag.key) ?? null);
    if (current === null) select(rows.find((row) => own.has(row.tag.key)) ?? rows[0], false);
  }
  function move(step) {
    const at = rows.indexOf(current);
    select(rows[Math.min(rows.length - 1, Math.max(0, at + step))], true);
  }
  function verdict(wanted) {
    if (current === null) return;
    const { key } = current.tag;
    const isWithdrawn = verdictOf(key) === wanted;
    decide(key, isWithdrawn ? null : wanted);
    if (!isWithdrawn) move(1);
  }
  for (const tag of video.tags) addRow(tag.is_answered ? answered : possible, tag);
  collect();
  const empty = video.tags.length ? null : el("p", { class: "note" }, "No tag was proposed. Add those that the video needs.");
  const element = el("section", { class: "card tag-card", "aria-labelledby": "tags-heading" }, el("h2", { id: "tags-heading" }, "Tags"), empty, groups.flatMap(([list, heading]) => [heading, list]));
  return { element, update, move, verdict, focus: () => current && select(current, true) };
}

const rowOf = new WeakMap(); // from a row's element

function tagRow(tag, { onverdict, onfocus, seek }) {
  const accept = verdictButton("Accept", tag.name, () => onverdict("accepted"));
  const reject = verdictButton("Reject", tag.name, () => onverdict("rejected"));
  const state = el("span", { class: "badge", hidden: true });
  const evidence = el("ul", { class: "evidence", hidden: true }, bestEvidence(tag.evidence).map((piece) => evidenceRow(piece, seek)));
  const element = el(
    "li",
    { class: "tag-row", "data-key": tag.key, tabindex: "-1" },
    el("span", { class: "name" }, userText(tag.name), tag.is_new ? el("span", { class: "note" }, " new tag") : null),
    state,
    tag.confidence === null ? null : el("span", { class: "figure", title: "Confidence" }, figure(tag.confidence)),
    el("span", { class: "verdicts" }, accept, reject),
    evidence,
  );
  element.addEventListener("focusin", onfocus);
  element.addEventListener("click", onfocus);
  const row = {
    tag,
    element,
    setCurrent(isCurrent) {
      element.tabIndex = isCurrent ? 0 : -1;
      if (isCurrent) element.setAttribute("aria-current", "true");
      else element.removeAttribute("aria-current");
      evidence.hidden = !isCurrent || !evidence.children.length;
    },
    setVerdict(verdict) {
      accept.setAttribute("aria-pressed", String(verdict === "accepted" || verdict === "added"));
      reject.setAttribute("aria-pressed", String(verdict === "rejected"));
      state.hidden = verdict === null;
      state.textContent = LABELS[verdict] ?? "";
      state.className = `badge ${verdict === "rejected" ? "bad" : "good"}`;
    },
  };
  rowOf.set(element, row);
  return row;
}

function verdictButton(label, name, onclick) {
  return el("button", { type: "button", class: `verdict-button ${label.toLowerCase()}`, "aria-pressed": "false", "aria-label": `${label} ${name}`, onclick }, label);
}

// The best piece of each channel.
function bestEvidence(pieces) {
  const best = new Map();
  for (const piece of pieces) if (!best.has(piece.channel)) best.set(piece.channel, piece);
  return [...best.values()].slice(0, EVIDENCE_SHOWN);
}

function evidenceRow(piece, seek) {
  const quoted = (text) => ["“", userText(text ?? ""), "”"];
  const when = piece.start_s === null ? null : el("button", { type: "button", class: "time", onclick: () => seek(piece.start_s) }, clock(piece.start_s));
  const words = {
    text: () => ["The text says ", quoted(piece.text)],
    speech: () => ["Said: ", quoted(piece.text), " "],
    screen: () => ["On the screen: ", quoted(piece.text), " "],
    frame: () => [`Seen in frame ${piece.frame} of ${piece.frames} `],
    sound: () => ["Heard at "],
    video: () => ["A video like ", quoted(piece.title || piece.video_id)],
    uploader: () => ["The uploader uses it: ", userText(piece.text ?? "")],
  }[piece.kind]();
  return el("li", {}, words.flat(), piece.kind === "video" || piece.kind === "text" || piece.kind === "uploader" ? null : when, el("span", { class: "note" }, ` ${piece.channel} ${figure(piece.similarity)}`));
}
