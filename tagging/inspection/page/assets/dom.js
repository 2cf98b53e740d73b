// Elements and formats. Text enters the document as text nodes alone, never as markup.

function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key.startsWith("--")) node.style.setProperty(key, value); // the policy forbids style attributes
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// Text of a user in its own direction, which leaves the direction of its surroundings alone.
function userText(text) {
  return el("bdi", {}, text);
}

// A section with a heading that names it.
function card(id, heading, note, ...children) {
  return el(
    "section",
    { class: `card ${id}`, "aria-labelledby": `${id}-heading` },
    el("h3", { id: `${id}-heading` }, heading),
    note ? el("p", { class: "note" }, note) : null,
    ...children,
  );
}

// A list whose rows after the first `count` are shown on request.
function shortened(list, rows, count, noun) {
  list.append(...rows);
  if (rows.length <= count) return list;
  const rest = rows.slice(count);
  const button = el("button", { type: "button", class: "more" });
  const show = (isOpen) => {
    for (const row of rest) row.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    button.textContent = isOpen ? "Show fewer" : `Show all ${whole(rows.length)} ${noun}`;
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  show(false);
  return el("div", {}, list, button);
}

const figure = (value) => value.toFixed(2);
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
const whole = (value) => value.toLocaleString("en");
const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
const share = (value) => `${(100 * Math.min(1, Math.max(0, value))).toFixed(2)}%`;

function ordinal(rank) {
  const last = rank % 100 >= 11 && rank % 100 <= 13 ? 0 : rank % 10;
  return `${whole(rank)}${["th", "st", "nd", "rd"][last] ?? "th"}`;
}

// A time as players show it: 0:04, 1:02:03, to the second before it.
function clock(seconds) {
  const total = Math.floor(seconds);
  const [hours, minutes, second] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(second)}` : `${minutes}:${two(second)}`;
}

function clockRange(start, end) {
  return clock(start) === clock(end) ? clock(start) : `${clock(start)}–${clock(end)}`;
}
