// Search box "Why? Why not?": a combobox over all subjects (WAI-ARIA Authoring Practices, combobox with list).

const MATCHES_SHOWN = 8;

function searchBox(subjects, choose) {
  const list = el("ul", { id: "matches", role: "listbox", "aria-label": "Matching tags", hidden: true });
  const status = el("p", { class: "note search-status", role: "status" });
  const input = el("input", {
    id: "search",
    type: "text",
    role: "combobox",
    placeholder: "Any tag or text",
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
    "aria-controls": "matches",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
  });
  let found = [];
  let active = -1;

  function setActive(index) {
    active = index;
    [...list.children].forEach((row, at) => row.setAttribute("aria-selected", String(at === index)));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[index].id);
    list.children[index]?.scrollIntoView({ block: "nearest" });
  }
  function open() {
    const query = input.value.trim();
    found = matching(subjects, query, MATCHES_SHOWN);
    list.replaceChildren(...found.map((subject, index) => matchRow(subject, index, () => pick(subject))));
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(found.length > 0));
    setActive(found.length ? 0 : -1);
    status.replaceChildren(...(query && !found.length ? noMatch(query) : []));
  }
  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    setActive(-1);
  }
  function pick(subject) {
    input.value = subject.name;
    close();
    choose(subject);
  }
  const keys = {
    ArrowDown: () => (list.hidden ? open() : setActive((active + 1) % found.length)),
    ArrowUp: () => (list.hidden ? open() : setActive((active - 1 + found.length) % found.length)),
    Enter: () => (list.hidden ? open() : pick(found[active])),
    Escape: () => (list.hidden ? (input.value = "") : close()),
  };
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || !(event.key in keys) || (event.key.startsWith("Arrow") && !input.value.trim())) return;
    event.preventDefault();
    keys[event.key]();
  });
  input.addEventListener("input", open);
  input.addEventListener("blur", close);
  list.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus in the input
  return el("div", { class: "search", role: "search" }, el("label", { for: "search" }, "Why? Why not?"), input, list, status);
}

function matchRow(subject, index, onclick) {
  return el(
    "li",
    { id: `match-${index}`, role: "option", "aria-selected": "false", onclick },
    el("span", { class: "name" }, userText(subject.name)),
    el("span", { class: "note" }, STATES[subject.outcome].label),
  );
}

function noMatch(query) {
  return [
    "No stage proposed “",
    userText(query),
    "”. To ask why, write the page again with ",
    el("code", {}, "--why ", el("bdi", {}, `"${query}"`)),
    ".",
  ];
}
