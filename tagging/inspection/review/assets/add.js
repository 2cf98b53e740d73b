// Box to add a tag: a combobox over the tags of the catalog that the server finds, or the text as a new tag.

// add(name), leave(): called when the editor is done with the box
function addBox({ add, leave }) {
  const list = el("ul", { id: "suggestions", role: "listbox", "aria-label": "Tags of the catalog", hidden: true });
  const input = el("input", {
    id: "add",
    type: "text",
    role: "combobox",
    maxlength: "200",
    placeholder: "Any tag",
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
    "aria-controls": "suggestions",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
  });
  let names = [];
  let active = -1;
  let asked = 0; // answers to earlier texts are ignored

  function setActive(index) {
    active = index;
    [...list.children].forEach((row, at) => row.setAttribute("aria-selected", String(at === index)));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[index].id);
    list.children[index]?.scrollIntoView({ block: "nearest" });
  }
  function show(rows) {
    names = rows.map((row) => row.name);
    list.replaceChildren(...rows.map((row, index) => suggestionRow(row, index, () => pick(row.name))));
    list.hidden = !rows.length;
    input.setAttribute("aria-expanded", String(rows.length > 0));
    setActive(-1);
  }
  async function suggest() {
    const text = input.value.trim();
    const number = ++asked;
    if (!text) return show([]);
    let found;
    try {
      found = await request(`api/tags?q=${encodeURIComponent(text)}`);
    } catch {
      return; // the next action reports it
    }
    if (number === asked) show([...found.tags, ...(found.is_new ? [{ name: text, isNew: true }] : [])]);
  }
  function pick(name) {
    asked++;
    input.value = "";
    show([]);
    add(name);
  }
  const step = (by) => names.length && setActive((active + by + names.length + (active < 0 && by < 0 ? 1 : 0)) % names.length);
  const keys = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: () => (active >= 0 ? pick(names[active]) : input.value.trim() && pick(input.value.trim())),
    Escape: () => {
      asked++;
      input.value = "";
      show([]);
      leave();
    },
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation(); // letters are text here, and no keys of the page
    if (event.isComposing || !(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });
  input.addEventListener("input", suggest);
  input.addEventListener("blur", () => show([]));
  list.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the focus in the input
  const label = el("label", { for: "add" }, "Add a tag ", el("kbd", { "aria-hidden": "true" }, "+"));
  return { element: el("div", { class: "search add" }, label, input, list), focus: () => input.focus() };
}

function suggestionRow(row, index, onclick) {
  return el(
    "li",
    { id: `suggestion-${index}`, role: "option", "aria-selected": "false", onclick },
    el("span", { class: "name" }, userText(row.name)),
    row.isNew ? el("span", { class: "note" }, "new tag") : null,
  );
}
