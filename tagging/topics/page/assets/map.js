// The page: header, list, map and the chosen topic.

function header(data) {
  const facts = [plural(data.topics.length, "topic"), `model ${data.version}`, data.previous === null ? null : `after ${data.previous}`];
  return el(
    "header",
    { class: "page-header" },
    el("h1", {}, "Topics"),
    el("p", { class: "facts" }, facts.filter(Boolean).map((fact) => el("span", {}, fact))),
    data.notes.length ? el("ul", { class: "notices", "aria-label": "Notes" }, data.notes.map((note) => el("li", {}, note))) : null,
  );
}

function legend(topics) {
  const count = (direction) => topics.filter((topic) => directionOf(topic) === direction).length;
  const rows = topics.some((topic) => directionOf(topic) !== null) ? Object.entries(DIRECTIONS) : [];
  const born = topics.filter((topic) => topic.fate === "born").length;
  const items = rows.map(([direction, { sign, label }]) => el("li", {}, el("span", { class: `swatch ${direction}`, "aria-hidden": "true" }, sign), `${label} (${count(direction)})`));
  if (born) items.push(el("li", {}, el("span", { class: "swatch born", "aria-hidden": "true" }), `Born (${born})`));
  return items.length ? el("ul", { class: "legend" }, items) : null;
}

function footer(data) {
  const cuts = data.cuts.map((cut) => el("li", {}, `${cut.field}: ${whole(cut.shown)} of ${whole(cut.total)} shown`));
  return el(
    "footer",
    {},
    el("p", {}, "The area of a circle is its number of videos; near topics are near on the map. This page loads nothing and sends nothing."),
    cuts.length ? el("p", {}, "Shortened to keep the page small:") : null,
    cuts.length ? el("ul", {}, cuts) : null,
  );
}

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const details = el("div", {});
  const announcement = el("p", { class: "hidden", role: "status" });
  const map = circles(data.topics, (topic) => choose(topic, "pointer"));
  const list = topicList(data.topics, choose, (ids) => map.show(ids));

  function choose(topic, how) {
    details.replaceChildren(detailsCard(topic));
    map.select(topic);
    list.select(topic);
    announcement.textContent = how ? `Showing ${topic.name}` : "";
    const heading = document.getElementById("topic-heading");
    if (how === "enter") heading.focus({ preventScroll: true });
    if (how === "enter" || how === "pointer") reveal(heading);
  }
  const content = el("main", {}, el("section", { class: "card map", "aria-label": "Map" }, legend(data.topics), map.element), details, endedCard(data.ended));
  document.getElementById("root").replaceChildren(header(data), el("div", { class: "columns" }, list.element, content), footer(data), announcement);
  const [first] = [...data.topics].sort((left, right) => right.videos - left.videos || left.id - right.id);
  if (first) choose(first, null);
}

// The chosen topic is below the map, and on a narrow screen below the list.
function reveal(heading) {
  const { top, bottom } = heading.getBoundingClientRect();
  const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (top < 0 || bottom > window.innerHeight) heading.closest("section").scrollIntoView({ behavior: isStill ? "auto" : "smooth", block: "start" });
}

start();
