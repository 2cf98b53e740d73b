// Time line: frames, spectrogram and passages on one axis, with the seconds that speak for a tag marked.

const LANES = { frames: "Picture", audio: "Sound", speech: "Speech", screen: "Text on screen" };
const SEEN_AS = { frames: "Seen", audio: "Heard", speech: "Said", screen: "On screen", text: "Text" };
const LEAST_FRAME_PX = 52;

// The element and its two verbs: mark the seconds of a subject, seek a time. null without media and without times.
function timeline(data) {
  const { explanation, frames } = data;
  const end = lastSecond(data);
  if (!frames.length && !(end > 0)) return null;
  const hasTimes = end > 0 && frames.every((frame) => frame.time_s !== null);
  const lanes = hasTimes ? lanesOf(data, end) : {};
  const preview = previewOf(frames);
  const moments = el("div", { class: "moments" });
  const playhead = el("div", { class: "playhead", "aria-hidden": "true" });
  const scrubber = el("input", { type: "range", min: 0, max: end, step: end / 200, value: 0, "aria-label": "Time in the video" });
  const tracks = el("div", { class: "tracks" }, Object.values(lanes).map((lane) => lane.element), playhead);
  const body = hasTimes ? [tracks, el("div", { class: "scrub" }, scrubber), axis(end)] : [looseFrames(frames, preview)];

  function seek(time) {
    scrubber.value = time;
    scrubber.setAttribute("aria-valuetext", clock(time));
    playhead.style.setProperty("--at", share(time / end));
    preview.show(frameAt(frames, time));
  }
  scrubber.addEventListener("input", () => seek(Number(scrubber.value)));

  function mark(subject) {
    const spans = subject?.trace?.spans ?? [];
    for (const [modality, lane] of Object.entries(lanes)) {
      lane.mark(spans.filter((span) => span.modality === modality));
    }
    moments.replaceChildren(...(subject ? momentsOf(spans, subject, seek) : []));
    const best = strongest(spans.filter((span) => span.modality === "frames")) ?? strongest(spans);
    if (hasTimes) seek(best ? (best.start_s + best.end_s) / 2 : (frames[0]?.time_s ?? 0));
    else preview.show(0);
  }

  const top = el("div", { class: "timeline-top" }, preview.element, moments);
  return { element: card("timeline", "When", noteOf(data, hasTimes), top, ...body), mark, seek: hasTimes ? seek : () => {} };
}

function lastSecond({ explanation, frames, spectrogram }) {
  const lookedAt = explanation.looked_at;
  const passages = Object.values(lookedAt.passages).flat();
  const spans = explanation.tags.flatMap((trace) => trace.spans);
  return Math.max(
    lookedAt.duration_s ?? 0,
    spectrogram?.duration_s ?? 0,
    ...frames.map((frame) => frame.time_s ?? 0),
    ...[...passages, ...spans].map((part) => part.end_s ?? 0),
  );
}

function noteOf({ frames, frame_count: frameCount }, hasTimes) {
  if (frames.length && !hasTimes) return "The times of the frames are unknown.";
  if (frameCount > frames.length) return `${plural(frames.length, "frame")} of the ${whole(frameCount)} that were looked at.`;
  return null;
}

function strongest(spans) {
  return spans.length ? spans.reduce((best, span) => (span.strength > best.strength ? span : best)) : null;
}

function frameAt(frames, time) {
  let nearest = 0;
  frames.forEach((frame, index) => {
    if (Math.abs(frame.time_s - time) < Math.abs(frames[nearest].time_s - time)) nearest = index;
  });
  return nearest;
}

function previewOf(frames) {
  const image = el("img", { alt: "" });
  const caption = el("figcaption", {});
  const element = frames.length ? el("figure", { class: "preview" }, image, caption) : null;
  const show = (index) => {
    const frame = frames[index];
    if (!frame) return;
    const time = frame.time_s === null ? "" : ` at ${clock(frame.time_s)}`;
    image.src = frame.uri;
    image.alt = `Frame ${index + 1}${time}`;
    caption.textContent = `Frame ${index + 1} of ${frames.length}${time}`;
  };
  return { element, show };
}

function looseFrames(frames, preview) {
  const buttons = frames.map((frame, index) =>
    el("button", { type: "button", "aria-label": `Frame ${index + 1}`, onclick: () => preview.show(index) }, el("img", { src: frame.uri, alt: "" })),
  );
  return el("div", { class: "loose-frames" }, buttons);
}

// The seconds of a tag in words, each a button that shows them.
function momentsOf(spans, subject, seek) {
  if (!spans.length) {
    return [el("p", { class: "note" }, "No second of the video speaks for ", userText(subject.name), " on its own.")];
  }
  const rows = spans.map((span) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "moment", onclick: () => seek(span.start_s) },
        el("span", {}, `${SEEN_AS[span.modality]} ${clockRange(span.start_s, span.end_s)}`),
        el("span", { class: "strength", "aria-hidden": "true" }, el("span", { class: "fill", "--value": share(span.strength) })),
        el("span", { class: "note" }, figure(span.strength)),
      ),
    ),
  );
  return [
    el("h4", {}, "Seconds that speak for ", userText(subject.name)),
    shortened(el("ul", {}), rows, 6, "parts"),
    el("p", { class: "note" }, "Strength from 0 to 1; not comparable between picture, sound and words."),
  ];
}

function lanesOf(data, end) {
  const { explanation, frames, spectrogram } = data;
  const lanes = {};
  if (frames.length) lanes.frames = lane("frames", end, filmStrip(frames, end));
  if (spectrogram) {
    const picture = el("img", { src: spectrogram.uri, alt: "Spectrogram of the sound", "--to": share(spectrogram.duration_s / end) });
    lanes.audio = lane("audio", end, { element: el("div", { class: "spectrogram" }, picture), mark: () => {} });
  }
  for (const source of ["speech", "screen"]) {
    const passages = explanation.looked_at.passages[source] ?? [];
    if (passages.length) lanes[source] = lane(source, end, passageBlocks(passages, end));
  }
  for (const modality of new Set(explanation.tags.flatMap((trace) => trace.spans.map((span) => span.modality)))) {
    lanes[modality] ??= lane(modality, end, { element: el("div", { class: "blocks" }), mark: () => {} });
  }
  return lanes;
}

// One row of the time line: its content, and marks above it for spans.
function lane(modality, end, content) {
  const marks = el("div", { class: "marks", "aria-hidden": "true" });
  const label = el("div", { class: "lane-label" }, LANES[modality] ?? modality);
  const element = el("div", { class: `lane ${modality}` }, label, el("div", { class: "track" }, content.element, marks));
  const mark = (spans) => {
    content.mark(spans);
    element.classList.toggle("speaks", spans.length > 0);
    marks.replaceChildren(
      ...spans.map((span) => el("span", { "--from": share(span.start_s / end), "--to": share(span.end_s / end) })),
    );
  };
  return { element, mark };
}

// Frames edge to edge, each over the time to which no other is closer; as many as the width has room for.
function filmStrip(frames, end) {
  const element = el("div", { class: "strip" });
  let spans = [];
  let drawn = 0;
  function draw(count) {
    const chosen = evenly(frames, count);
    const cells = chosen.map((frame, index) => {
      const from = index ? (chosen[index - 1].time_s + frame.time_s) / 2 : 0;
      const to = index + 1 < chosen.length ? (frame.time_s + chosen[index + 1].time_s) / 2 : end;
      const cell = el("span", { class: "cell", "--from": share(from / end), "--to": share(to / end) });
      cell.append(el("img", { src: frame.uri, alt: `Frame at ${clock(frame.time_s)}` }));
      return { cell, from, to };
    });
    element.replaceChildren(...cells.map(({ cell }) => cell));
    for (const { cell, from, to } of cells) {
      const isSpeaking = spans.some((span) => span.start_s < to && span.end_s > from);
      cell.classList.toggle("dim", spans.length > 0 && !isSpeaking);
    }
    drawn = count;
  }
  const room = () => Math.max(1, Math.min(frames.length, Math.floor(element.clientWidth / LEAST_FRAME_PX)));
  new ResizeObserver(() => room() !== drawn && draw(room())).observe(element);
  const mark = (newSpans) => {
    spans = newSpans;
    draw(drawn || frames.length);
  };
  return { element, mark };
}

function evenly(items, count) {
  if (count >= items.length) return items;
  return Array.from({ length: count }, (_, index) => items[Math.floor(((index + 0.5) * items.length) / count)]);
}

function passageBlocks(passages, end) {
  const blocks = passages.map((passage) =>
    el("span", { class: "block", "--from": share(passage.start_s / end), "--to": share(passage.end_s / end), title: passage.text }),
  );
  return { element: el("div", { class: "blocks", "aria-hidden": "true" }, blocks), mark: () => {} };
}

function axis(end) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200].find((size) => end / size <= 6) ?? end / 5;
  const ticks = [];
  for (let time = 0; time <= end; time += step) ticks.push(time);
  const labels = ticks.map((time) => el("span", { "--at": share(time / end), class: time / end > 0.95 ? "last" : "" }, clock(time)));
  return el("div", { class: "axis", "aria-hidden": "true" }, labels);
}
