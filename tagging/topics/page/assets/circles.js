// The map: a circle for each topic. The list holds the same topics for keyboards and screen readers.

const SIDE = 1000; // units of the drawing
const MARGIN = 6; // for the lines of circles at the edge
const FONT = { least: 13, most: 24, ofPhones: 20 };
const LEAST_LETTERS = 7; // of a name that is cut
const MOST_LETTERS = 60;

function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

function circles(topics, choose) {
  const nodes = new Map(topics.map((topic) => [topic.id, circle(topic)]));
  const drawing = svg(
    "svg",
    { viewBox: `${-MARGIN} ${-MARGIN} ${SIDE + 2 * MARGIN} ${SIDE + 2 * MARGIN}`, role: "img", "aria-label": `Map of ${plural(topics.length, "topic")}; the list has the same topics` },
    ...nodes.values(),
  );
  drawing.addEventListener("click", (event) => {
    const node = event.target.closest("[data-id]");
    if (node) choose(topics.find((topic) => String(topic.id) === node.dataset.id));
  });
  return {
    element: drawing,
    select(chosen) {
      for (const [id, node] of nodes) node.classList.toggle("chosen", id === chosen.id);
      drawing.append(nodes.get(chosen.id)); // drawn last, above its neighbours
    },
    show(visible) {
      for (const [id, node] of nodes) node.classList.toggle("dim", !visible.has(id));
    },
  };
}

function circle(topic) {
  const [x, y, radius] = [topic.x, topic.y, topic.radius].map((value) => value * SIDE);
  const direction = directionOf(topic) ?? "steady";
  const kinds = ["topic", direction, topic.fate === "born" ? "born" : ""].filter(Boolean);
  const node = svg("g", { class: kinds.join(" "), "data-id": topic.id }, svg("title", {}, `${topic.name}: ${plural(topic.videos, "video")}`));
  node.append(svg("circle", { cx: x, cy: y, r: radius }));
  const { sign } = DIRECTIONS[direction];
  const label = labelOf(`${sign} ${topic.tags[0] ?? topic.name}`.trim(), x, y, radius) ?? (sign ? textAt(sign, x, y, radius) : null);
  if (label) node.append(label);
  return node;
}

// The text in the circle, cut to fit; nothing where too little of it would be left.
function labelOf(text, x, y, radius) {
  const letters = [...text];
  const room = 1.8 * radius;
  const fitting = (shown) => Math.min(FONT.most, room / widthOf(shown));
  let [shown, length] = [text, letters.length];
  while (length && fitting(shown) < FONT.least) {
    length = Math.min(length - 1, MOST_LETTERS);
    shown = `${letters.slice(0, length).join("")}…`;
  }
  if (length < Math.min(LEAST_LETTERS, letters.length)) return null;
  const size = fitting(shown);
  const label = textAt(shown, x, y, size);
  if (size < FONT.ofPhones) label.classList.add("small");
  return label;
}

const pen = document.createElement("canvas").getContext("2d");
pen.font = `600 100px ${getComputedStyle(document.body).fontFamily}`;

// In font sizes.
function widthOf(text) {
  return pen.measureText(text).width / 100;
}

function textAt(text, x, y, size) {
  return svg("text", { x, y, "font-size": size, "text-anchor": "middle", "dominant-baseline": "central" }, text);
}
