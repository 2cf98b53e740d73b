// The chosen topic: its size, fate, trends, tags and representative videos.

function detailsCard(topic) {
  const direction = directionOf(topic);
  const badge = { rising: "badge good", falling: "badge bad" }[direction] ?? "badge";
  const languages = Object.entries(topic.languages).slice(0, 3).map(([name, part]) => `${name} ${Math.round(100 * part)} %`);
  const facts = [plural(topic.videos, "video"), `topic ${topic.id}`, fateWords(topic), languages.length ? languages.join(", ") : null];
  return el(
    "section",
    { class: "card topic-details", "aria-labelledby": "topic-heading" },
    el("div", { class: "verdict-head" }, el("h2", { id: "topic-heading", tabindex: "-1" }, userText(topic.name)), direction ? el("span", { class: badge }, DIRECTIONS[direction].label) : null),
    el("p", { class: "facts" }, facts.filter(Boolean).map((fact) => el("span", {}, fact)), el("span", {}, "group ", userText(topic.group))),
    trendTable(topic),
    topic.tags.length ? el("div", {}, el("h3", {}, "Tags"), el("ul", { class: "chips" }, topic.tags.map((tag) => el("li", {}, userText(tag))))) : null,
    el("div", {}, el("h3", {}, "Representative videos"), el("ul", { class: "examples" }, topic.examples.map(exampleRow))),
  );
}

function exampleRow(example) {
  return el("li", {}, userText(example.title || example.video_id));
}

function trendTable(topic) {
  const rows = [["Uploads", topic.uploads], ["Users who click", topic.clicks]].filter(([, trend]) => trend !== null);
  if (!rows.length) return null;
  const heads = ["", "Before", "After", "Share", ""].map((head) => el(head ? "th" : "td", head ? { scope: "col" } : {}, head));
  return el(
    "table",
    { class: "trends" },
    el("caption", { class: "hidden" }, "Trends"),
    el("thead", {}, el("tr", {}, heads)),
    el("tbody", {}, rows.map(([name, trend]) => trendRow(name, trend))),
  );
}

function trendRow(name, trend) {
  const cells = [whole(trend.before), whole(trend.after), changeWords(trend), DIRECTIONS[trend.direction].label];
  return el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, cell)));
}

function endedCard(ended) {
  if (!ended.length) return null;
  const rows = ended.map((topic) => el("li", {}, userText(topic.name), el("span", { class: "note" }, ` ${plural(topic.videos, "video")}`)));
  return card("ended", "Ended with this fit", null, shortened(el("ul", { class: "examples" }), rows, 10, "topics"));
}
