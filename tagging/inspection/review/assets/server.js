// Requests to the server of the review. Actions run one after the other, so that fast key strokes keep their order.

async function request(path, body) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : post);
  } catch {
    throw { error: "The review has ended.", hint: "Every decision is kept. Start the same command again to continue, and open its new address." };
  }
  const value = await answer.json();
  if (!answer.ok) throw { ...value, isConflict: answer.status === 409 };
  return value;
}

function inOrder() {
  let last = Promise.resolve();
  return (action) => {
    last = last.then(action);
    return last;
  };
}
