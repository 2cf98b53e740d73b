// The topics as a list box with one tab stop, a search field and an order.

const ORDERS = {
  size: { label: "Largest first", key: (topic) => -topic.videos },
  rising: { label: "Rising first", key: (topic) => -strength(topic, "rising") },
  falling: { label: "Falling first", key: (topic) => -strength(topic, "falling") },
};

// How far a topic rises or falls; 0 if it does not, or does the opposite.
function strength(topic, direction) {
  const trends = [topic.uploads, topic.clicks].filter((trend) => trend?.direction === direction);
  const factors = trends.map((trend) => (trend.change === null ? Infinity : trend.change));
  return Math.max(0, ...factors.map((factor) => (direction === "rising" ? factor : 1 / Math.max(factor, 1e-9))));
}

function topicList(topics, choose, filtered) {
  const options = new Map(topics.map((topic) => [topic.id, option(topic)]));
  const byId = new Map(topics.map((topic) => [String(topic.id), topic]));
  const list = el("div", { role: "listbox", "aria-label": "Topics", class: "tag-list" });
  const status = el("p", { class: "note search-status", role: "status" });
  const input = el("input", { id: "search", type: "search", placeholder: "Name, tag or title", autocomplete: "off", spellcheck: "false", dir: "auto" });
  const hasTrends = topics.some((topic) => directionOf(topic) !== null);
  const order = el("select", { id: "order" }, Object.entries(ORDERS).map(([value, { label }]) => el("option", { value }, label)));

  const visible = () => [...list.children].filter((node) => !node.hidden);
  function keepTabStop() {
    const shown = visible();
    if (!shown.some((node) => node.tabIndex === 0) && shown.length) shown[0].tabIndex = 0;
  }
  function select(chosen) {
    for (const [id, node] of options) {
      node.setAttribute("aria-selected", String(id === chosen.id));
      node.tabIndex = id === chosen.id && !node.hidden ? 0 : -1;
    }
    keepTabStop();
  }
  function sort() {
    const { key } = ORDERS[order.value];
    const compared = [...topics].sort((left, right) => key(left) - key(right) || right.videos - left.videos || left.id - right.id);
    list.replaceChildren(...compared.map((topic) => options.get(topic.id)));
  }
  function filter() {
    const query = input.value.trim().toLowerCase();
    const found = topics.filter((topic) => matches(topic, query));
    const ids = new Set(found.map((topic) => topic.id));
    for (const [id, node] of options) {
      node.hidden = !ids.has(id);
      if (node.hidden) node.tabIndex = -1;
    }
    keepTabStop();
    status.textContent = query ? `${plural(found.length, "topic")} found` : "";
    filtered(ids);
  }
  list.addEventListener("click", (event) => {
    const node = event.target.closest("[role=option]");
    if (node) choose(byId.get(node.dataset.id), "pointer");
  });
  list.addEventListener("keydown", (event) => {
    const shown = visible();
    const at = shown.indexOf(event.target.closest("[role=option]"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") choose(byId.get(shown[at].dataset.id), "enter");
    else if (shown[to]) {
      choose(byId.get(shown[to].dataset.id), "arrow");
      shown[to].focus();
    } else if (to === undefined) return;
    event.preventDefault();
  });
  input.addEventListener("input", filter);
  order.addEventListener("change", sort);
  sort();
  keepTabStop();
  const search = el("div", { class: "search" }, el("label", { for: "search" }, "Search"), input, status);
  const ordering = hasTrends ? el("div", { class: "search" }, el("label", { for: "order" }, "Order"), order) : null;
  return { element: el("nav", { class: "tags", "aria-label": "Topics" }, search, ordering, list), select };
}

function option(topic) {
  return el(
    "div",
    { role: "option", "aria-selected": "false", tabindex: "-1", "data-id": topic.id, class: "option" },
    el("span", { class: "name" }, signedName(topic)),
    el("span", { class: "figure" }, whole(topic.videos)),
  );
}

function matches(topic, query) {
  const texts = [topic.name, ...topic.tags, ...topic.examples.map((example) => example.title)];
  return !query || texts.some((text) => text.toLowerCase().includes(query));
}
