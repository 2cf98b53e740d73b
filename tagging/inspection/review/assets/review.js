// The page: one video after the other, keys, progress and help.

const POLL_MS = 300;
const KEYS = [
  ["a", "accept the tag; again: withdraw"],
  ["r", "reject the tag; again: withdraw"],
  ["j ↓", "next tag"],
  ["k ↑", "previous tag"],
  ["+ /", "add a tag; Esc leaves the box"],
  ["Enter", "confirm the video and open the next"],
  ["u", "undo the last decision; before the first, open the last video again"],
  ["?", "show or hide this help"],
];

function start() {
  const enqueue = inOrder();
  const root = document.getElementById("root");
  const progress = el("p", { class: "facts" });
  const alertBox = el("div", { class: "alert", role: "alert" });
  const announcement = el("p", { class: "hidden", role: "status" });
  const place = el("main", {});
  const help = helpDialog();
  let state = null;
  let view = null; // of the open video

  const announce = (text) => (announcement.textContent = text);

  function complain(failure) {
    alertBox.replaceChildren(el("strong", {}, userText(failure.error ?? "The page has an error.")), " ", userText(failure.hint ?? ""));
  }
  // Send an action about the video that is open when the key is pressed.
  function act(path, fields = {}, done = "") {
    const turn = state?.turn;
    enqueue(async () => {
      if (turn !== state.turn) return;
      try {
        await apply(await request(`api/${path}`, { turn, ...fields }));
        alertBox.replaceChildren();
        announce(done);
      } catch (failure) {
        if (failure.isConflict) await refresh();
        else complain(failure);
      }
    });
  }
  async function refresh() {
    try {
      await apply(await request("api/state"));
    } catch (failure) {
      complain(failure);
    }
  }
  async function apply(found) {
    const video = found.status === "open" && view?.turn !== found.turn ? await request("api/video") : null;
    state = found;
    showProgress();
    if (found.status !== "open") showWaiting();
    else if (video === null) view.tags.update(found.decisions);
    else if (video.turn === found.turn) open(video);
    else setTimeout(() => enqueue(refresh), POLL_MS);
  }
  function open(video) {
    const shown = videoCard(video);
    const tags = tagsCard(video, {
      decide: (key, verdict) => act("decide", { key, verdict }, verdict ?? "withdrawn"),
      choose: shown.mark,
      seek: shown.seek,
    });
    const add = addBox({ add: (name) => act("add", { name }, `added ${name}`), leave: tags.focus });
    view = { turn: video.turn, tags, add, heading: shown.heading };
    place.replaceChildren(shown.element, el("div", { class: "side" }, tags.element, add.element, actions()));
    shown.mark(null);
    tags.update(state.decisions);
    shown.heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  function actions() {
    return el(
      "div",
      { class: "actions" },
      el("button", { type: "button", class: "confirm", onclick: confirm }, "Confirm and next ", el("kbd", { "aria-hidden": "true" }, "Enter")),
      el("button", { type: "button", class: "plain", onclick: undo }, "Undo ", el("kbd", { "aria-hidden": "true" }, "u")),
    );
  }
  const confirm = () => act("confirm", {}, "confirmed");
  const undo = () => act("undo", {}, "undone");

  function showWaiting() {
    view = null;
    const texts = {
      preparing: ["Preparing the next video …", "Its frames, sound and text are being looked at."],
      done: ["Every video is reviewed", "Press Ctrl-C in the terminal to end the review."],
      limit: ["The limit is reached", "Press Ctrl-C in the terminal to end the review, or start it again to continue."],
      failed: ["The review has stopped", "The terminal shows the error. Every decision is kept."],
    };
    const [heading, text] = texts[state.status];
    const button = state.can_undo ? el("div", { class: "actions" }, el("button", { type: "button", class: "plain", onclick: undo }, "Undo ", el("kbd", { "aria-hidden": "true" }, "u"))) : null;
    place.replaceChildren(el("section", { class: "card waiting" }, el("h1", {}, heading), el("p", { class: "note" }, text), button));
    announce(heading);
    if (state.status === "preparing") setTimeout(() => enqueue(refresh), POLL_MS);
  }
  function showProgress() {
    const facts = [
      state.limit === null ? `${plural(state.confirmed, "video")} confirmed` : `${whole(state.confirmed)} of ${plural(state.limit, "video")} confirmed`,
      state.in_file > state.confirmed ? `${whole(state.in_file)} in the file` : null,
      `${whole(state.waiting)} waiting`,
      state.untagged ? `${whole(state.untagged)} not tagged yet` : null,
      state.unreadable ? `${whole(state.unreadable)} could not be read` : null,
    ];
    progress.replaceChildren(...facts.filter(Boolean).map((fact) => el("span", {}, fact)));
  }
  const keys = {
    a: () => view?.tags.verdict("accepted"),
    r: () => view?.tags.verdict("rejected"),
    j: () => view?.tags.move(1),
    ArrowDown: () => view?.tags.move(1),
    k: () => view?.tags.move(-1),
    ArrowUp: () => view?.tags.move(-1),
    "+": () => view?.add.focus(),
    "/": () => view?.add.focus(),
    Enter: () => view && confirm(),
    u: undo,
    "?": () => (help.open ? help.close() : help.showModal()),
  };
  document.addEventListener("keydown", (event) => {
    const isButton = event.target.closest?.("button") && event.key === "Enter";
    if (event.ctrlKey || event.metaKey || event.altKey || isButton || !(event.key in keys) || (help.open && event.key !== "?")) return;
    if (event.repeat && ["Enter", "a", "r", "u"].includes(event.key)) return; // a key that is held down decides once
    event.preventDefault();
    keys[event.key]();
  });
  const helpButton = el("button", { type: "button", class: "plain", onclick: () => help.showModal() }, "Keys ", el("kbd", { "aria-hidden": "true" }, "?"));
  root.classList.add("review");
  root.replaceChildren(el("header", { class: "review-bar" }, progress, helpButton), alertBox, place, announcement, help);
  enqueue(refresh);
}

function helpDialog() {
  const rows = KEYS.map(([key, meaning]) => el("tr", {}, el("th", { scope: "row" }, key.split(" ").map((name) => el("kbd", {}, name))), el("td", {}, meaning)));
  const close = el("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Close ", el("kbd", { "aria-hidden": "true" }, "Esc"));
  const dialog = el("dialog", { "aria-labelledby": "help-heading" }, el("h2", { id: "help-heading" }, "Keys"), el("table", { class: "keys" }, el("tbody", {}, rows)), close);
  return dialog;
}

start();
