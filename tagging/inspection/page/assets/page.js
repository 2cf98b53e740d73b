// The page: header, list of tags, and the explanation of the chosen one.

const NEXT_SHOWN = 6;

function header(explanation) {
  const { video, looked_at: lookedAt } = explanation;
  const names = { text: "text", frames: plural(lookedAt.frame_times_s.length, "frame"), audio: `${clock(lookedAt.sound_s)} of sound`, speech: "speech", screen: "text on the screen" };
  const facts = [
    lookedAt.duration_s === null ? null : `${clock(lookedAt.duration_s)} long`,
    lookedAt.modalities.length ? `looked at ${lookedAt.modalities.map((modality) => names[modality] ?? modality).join(", ")}` : "nothing could be looked at",
    `bundle ${explanation.bundle_version}`,
  ];
  const title = video.title.trim() || video.video_id;
  return el(
    "header",
    { class: "page-header" },
    el("h1", { class: title.length > 120 ? "long" : null, dir: "auto" }, title),
    el("p", { class: "facts" }, facts.filter(Boolean).map((fact) => el("span", {}, fact))),
    notices(lookedAt.warnings),
  );
}

function notices(warnings) {
  if (!warnings.length) return null;
  return shortened(el("ul", { class: "notices", "aria-label": "Warnings" }), warnings.map((warning) => el("li", {}, userText(warning))), 3, "warnings");
}

// Tags in groups, one tab stop: arrow keys move through them, as in a list box.
function tagList(subjects, explanation, choose) {
  const ranked = subjects.filter((subject) => subject.trace?.confidence !== null && subject.trace);
  const answered = ranked.filter((subject) => subject.outcome === "answered");
  const others = ranked.filter((subject) => subject.outcome !== "answered");
  const asked = subjects.filter((subject) => subject.question && subject.outcome !== "answered");
  const rest = others.filter((subject) => !asked.includes(subject));
  const list = el("div", { role: "listbox", "aria-label": "Tags", class: "tag-list" });
  const options = [];
  const group = (heading, members) => {
    if (!members.length) return;
    const id = `group-${list.children.length}`;
    const rows = members.map((subject) => tagOption(subject, explanation));
    options.push(...rows);
    list.append(el("div", { role: "group", "aria-labelledby": id }, el("div", { id, class: "group-heading", role: "presentation" }, heading), rows));
  };
  group(`Answered (${answered.length})`, answered);
  group("Asked about", asked);
  group("Next in line", rest.slice(0, NEXT_SHOWN));
  group("Further candidates", rest.slice(NEXT_SHOWN));
  const further = rest.length > NEXT_SHOWN ? list.lastElementChild : null;
  const visible = () => options.filter((option) => !option.closest("[hidden]"));

  function select(subject) {
    for (const option of options) {
      const isChosen = option.dataset.key === subject.key;
      option.setAttribute("aria-selected", String(isChosen));
      option.tabIndex = isChosen ? 0 : -1;
      if (isChosen && further?.contains(option) && further.hidden) toggle.click();
    }
    if (!visible().some((option) => option.tabIndex === 0) && visible().length) visible()[0].tabIndex = 0;
  }
  const byKey = new Map(subjects.map((subject) => [subject.key, subject]));
  const subjectOf = (event) => byKey.get(event.target.closest("[role=option]")?.dataset.key);
  list.addEventListener("click", (event) => subjectOf(event) && choose(subjectOf(event), "pointer"));
  list.addEventListener("keydown", (event) => {
    const shown = visible();
    const at = shown.indexOf(event.target.closest("[role=option]"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") choose(subjectOf(event), "enter");
    else if (shown[to]) {
      shown[to].focus();
      choose(byKey.get(shown[to].dataset.key), "arrow");
    } else if (to === undefined) return;
    event.preventDefault();
  });
  const toggle = el("button", { type: "button", class: "more", "aria-expanded": "false" }, `Show all ${plural(ranked.length, "candidate")}`);
  toggle.addEventListener("click", () => {
    further.hidden = !further.hidden;
    toggle.setAttribute("aria-expanded", String(!further.hidden));
    toggle.textContent = further.hidden ? `Show all ${plural(ranked.length, "candidate")}` : "Show fewer";
  });
  if (further) further.hidden = true;
  const legend = ranked.length ? el("p", { class: "note" }, `The line marks the confidence that is needed: ${figure(explanation.min_confidence)}.`) : null;
  const lines = explanation.min_confidence > 1 ? null : legend;
  const empty = answered.length ? null : nothingAnswered(explanation);
  return { element: [empty, lines, options.length ? list : null, further ? toggle : null], select };
}

function nothingAnswered(explanation) {
  const why = explanation.min_confidence > 1
    ? "No confidence reaches the precision that was asked for."
    : `No tag reached the confidence that is needed, ${figure(explanation.min_confidence)}.`;
  return el("p", { class: "empty" }, el("strong", {}, "No tag was answered. "), why);
}

function nothingProposed() {
  return el("section", { class: "card verdict" }, el("h2", {}, "No tag to explain"), el("p", { class: "reason" }, "No channel proposed a tag for this video."));
}

function tagOption(subject, explanation) {
  const confidence = subject.trace?.confidence ?? null;
  return el(
    "div",
    { role: "option", "aria-selected": "false", tabindex: "-1", "data-key": subject.key, class: subject.outcome === "answered" ? "option answered" : "option" },
    el("span", { class: "name" }, userText(subject.name)),
    confidence === null ? null : confidenceMeter(confidence, explanation.min_confidence),
    el("span", { class: "figure" }, confidence === null ? "–" : figure(confidence)),
    needsWords(subject.outcome) ? el("span", { class: "note" }, STATES[subject.outcome].label) : null,
  );
}

// The other outcomes show in the group and in the bar.
const needsWords = (outcome) => outcome !== "answered" && outcome !== "below_confidence";

function footer(data) {
  const cuts = data.cuts.map((cut) => el("li", {}, `${cut.field}: ${whole(cut.shown)} of ${whole(cut.total)} shown`));
  return el(
    "footer",
    {},
    el("p", {}, "Confidence is the calibrated probability that a tag is right. This page loads nothing and sends nothing."),
    cuts.length ? el("p", {}, "Shortened to keep the page small:") : null,
    cuts.length ? el("ul", {}, cuts) : null,
  );
}

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { explanation, questions } = data;
  const subjects = subjectsOf(explanation, questions);
  const time = timeline(data);
  const before = el("div", {});
  const after = el("div", { class: "details" });
  const announcement = el("p", { class: "hidden", role: "status" });
  const list = tagList(subjects, explanation, choose);
  const seek = (second) => time?.seek(second);

  function choose(subject, how) {
    time?.mark(subject);
    before.replaceChildren(verdictCard(subject, explanation));
    const sections = [
      wordsCard(explanation, subject, seek),
      channelsCard(explanation, subject),
      ...contributionsCards(subject),
      ablationsCard(subject, explanation),
      neighboursCard(explanation, subject),
    ];
    after.replaceChildren(...sections.filter((section) => section !== null));
    list.select(subject);
    announcement.textContent = how ? `Showing ${subject.name}: ${STATES[subject.outcome].label}` : "";
    const heading = document.getElementById("subject-heading");
    if (how === "enter" || how === "search") heading.focus({ preventScroll: true });
    if (how === "enter" || how === "search" || how === "pointer") reveal(heading);
  }
  function showUnmarked() {
    time?.mark(null);
    before.replaceChildren(nothingProposed());
    after.replaceChildren(...[wordsCard(explanation, null, seek)].filter((section) => section !== null));
  }
  const tags = el("nav", { class: "tags", "aria-label": "Tags of the video" }, searchBox(subjects, (subject) => choose(subject, "search")), list.element);
  const content = el("main", {}, before, time?.element ?? null, after);
  document.getElementById("root").replaceChildren(header(explanation), el("div", { class: "columns" }, tags, content), footer(data), announcement);
  const first = subjects.find((subject) => subject.question && subject.question === questions[0]) ?? subjects[0];
  if (first) choose(first, null);
  else showUnmarked();
}

// On a narrow screen the explanation is below the list.
function reveal(heading) {
  const isVisible = heading.getBoundingClientRect().top >= 0 && heading.getBoundingClientRect().bottom <= window.innerHeight;
  const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (!isVisible) heading.closest("section").scrollIntoView({ behavior: isStill ? "auto" : "smooth", block: "start" });
}

start();
