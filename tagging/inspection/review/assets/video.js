// The video: frames, title, description, and what could be looked at.

const MODALITIES = { text: "text", frames: "frames", audio: "sound", speech: "speech", screen: "text on the screen" };

function videoCard(video) {
  const title = video.title.trim() || video.video_id;
  const facts = [
    video.duration_s === null ? null : `${clock(video.duration_s)} long`,
    video.modalities.length ? `looked at ${video.modalities.map((modality) => MODALITIES[modality] ?? modality).join(", ")}` : "nothing could be looked at",
  ];
  const heading = el("h1", { id: "video-heading", tabindex: "-1", dir: "auto", class: title.length > 120 ? "long" : null }, title);
  const words = { heading, description: null, title };
  const frames = framesOf(video.frames);
  const description = el("div", { class: "description" });
  const element = el(
    "section",
    { class: "card video", "aria-labelledby": "video-heading" },
    heading,
    el("p", { class: "facts" }, facts.filter(Boolean).map((fact) => el("span", {}, fact))),
    video.warnings.length ? shortened(el("ul", { class: "notices", "aria-label": "Warnings" }), video.warnings.map((warning) => el("li", {}, userText(warning))), 3, "warnings") : null,
    frames.element,
    description,
  );
  function mark(tag) {
    const phrases = tag === null ? [] : tag.evidence.filter((piece) => piece.kind === "text" && piece.text).map((piece) => piece.text);
    words.heading.replaceChildren(marked(title, phrases));
    const isOpen = description.querySelector("[aria-expanded=true]") !== null;
    description.replaceChildren(...(video.description.trim() ? [longText(marked(video.description, phrases))] : []));
    if (isOpen) description.querySelector("[aria-expanded]").click();
    frames.mark(tag === null ? [] : tag.spans);
  }
  return { element, mark, seek: frames.seek, heading };
}

function framesOf(frames) {
  if (!frames.length) return { element: null, mark: () => {}, seek: () => {} };
  const picture = el("img", { alt: "", src: frames[0].uri });
  const caption = el("figcaption", {});
  const buttons = frames.map((frame, index) => el("button", { type: "button", class: "frame", onclick: () => show(index) }, el("img", { alt: frameName(frames, index), src: frame.uri })));
  function show(index) {
    picture.setAttribute("src", frames[index].uri);
    caption.textContent = frameName(frames, index);
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
  }
  // Nearest in time; frames of unknown times are not marked.
  function seek(second) {
    const distances = frames.map((frame) => (frame.time_s === null ? Infinity : Math.abs(frame.time_s - second)));
    show(distances.indexOf(Math.min(...distances)));
  }
  function mark(spans) {
    const speaks = frames.map(({ time_s: at }) => at !== null && spans.some((span) => span.start_s <= at && at <= span.end_s));
    buttons.forEach((button, at) => button.classList.toggle("speaks", speaks[at]));
    if (speaks.includes(true)) show(speaks.indexOf(true));
  }
  show(0);
  const strip = el("div", { class: "frame-strip", role: "group", "aria-label": "Frames" }, buttons);
  return { element: el("div", { class: "frames" }, el("figure", { class: "preview" }, picture, caption), strip), mark, seek };
}

function frameName(frames, index) {
  const time = frames[index].time_s;
  return `Frame ${index + 1} of ${frames.length}${time === null ? "" : ` at ${clock(time)}`}`;
}
