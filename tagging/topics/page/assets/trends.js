// Words and signs of trends. Uploads decide the colour of a topic; where they are steady or unknown, clicks do.

const DIRECTIONS = {
  rising: { sign: "▲", label: "Rising" },
  falling: { sign: "▼", label: "Falling" },
  steady: { sign: "", label: "Steady" },
};

function directionOf(topic) {
  const known = [topic.uploads, topic.clicks].filter((trend) => trend !== null);
  return (known.find((trend) => trend.direction !== "steady") ?? known[0])?.direction ?? null;
}

// The name with its sign, as lists show it.
function signedName(topic) {
  const direction = directionOf(topic);
  if (direction === null || direction === "steady") return [userText(topic.name)];
  const { sign, label } = DIRECTIONS[direction];
  return [el("span", { class: `sign ${direction}`, "aria-hidden": "true" }, `${sign} `), userText(topic.name), el("span", { class: "hidden" }, `, ${label.toLowerCase()}`)];
}

function fateWords(topic) {
  if (topic.fate === "born") return "Born with this fit";
  if (topic.fate === "continued") return `Continues, ${Math.round(100 * topic.drift)} % of its videos changed`;
  return null;
}

// A share over the one before it.
function changeWords(trend) {
  if (trend.change === null) return trend.after ? "new" : "none";
  return `× ${trend.change.toFixed(2)}`;
}
