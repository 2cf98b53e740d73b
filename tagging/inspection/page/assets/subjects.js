// Subjects: everything that can be asked about. A tag that was ranked, one that a channel proposed, or a question.

const STATES = {
  answered: { label: "Answered", stage: null },
  beyond_limit: { label: "Beyond the limit", stage: "answer" },
  implied: { label: "Implied by a narrower tag", stage: "answer" },
  below_confidence: { label: "Confidence too low", stage: "confidence" },
  over_budget: { label: "Not ranked", stage: "candidate" },
  unranked: { label: "Not ranked", stage: "candidate" },
  hidden: { label: "Hidden by an editor", stage: "known" },
  not_proposed: { label: "Not proposed", stage: "proposed" },
  unknown: { label: "Unknown", stage: "known" },
};

function subjectsOf(explanation, questions) {
  const byId = new Map();
  const subjects = [];
  const add = (id, name, trace, outcome) => {
    const subject = { name, trace, outcome, question: null, proposals: [] };
    subjects.push(subject);
    if (id !== null) byId.set(id, subject);
    return subject;
  };
  for (const trace of explanation.tags) add(trace.tag_id, trace.name, trace, trace.outcome);
  for (const question of questions) {
    const trace = question.trace;
    const known = trace && byId.get(trace.tag_id);
    const subject = known || add(trace && trace.tag_id, trace ? trace.name : question.query, trace, question.outcome);
    subject.question = question;
  }
  for (const channel of explanation.channels) {
    channel.proposals.forEach((proposal, index) => {
      const subject = byId.get(proposal.tag_id) || add(proposal.tag_id, proposal.name, null, "unranked");
      subject.proposals.push({ ...proposal, channel: channel.name, rank: index + 1 });
    });
  }
  subjects.forEach((subject, index) => (subject.key = `subject-${index}`));
  return subjects;
}

// Score and rank by channel: of the trace, or of the proposals of a tag that was not traced.
function channelScores(subject) {
  const scores = new Map();
  for (const proposal of subject.proposals) {
    scores.set(proposal.channel, { score: proposal.score, rank: proposal.rank });
  }
  for (const [channel, score] of Object.entries(subject.trace?.channels ?? {})) {
    scores.set(channel, { score, rank: subject.trace.channel_ranks[channel] ?? null });
  }
  return scores;
}

function evidenceOf(subject) {
  if (subject === null) return [];
  if (subject.trace?.evidence.length) return subject.trace.evidence;
  return subject.proposals.map((proposal) => proposal.evidence).filter((evidence) => evidence !== null);
}

function normalised(text) {
  return text.normalize("NFKC").toLowerCase().replace(/\s+/gu, " ").trim();
}

// The subjects that match a query best: equal names, then beginnings, beginnings of words, and parts.
function matching(subjects, query, limit) {
  const wanted = normalised(query);
  if (!wanted) return [];
  const quality = (subject) => {
    const names = [normalised(subject.name), subject.question ? normalised(subject.question.query) : ""];
    if (names.includes(wanted)) return 0;
    if (names.some((name) => name.startsWith(wanted))) return 1;
    if (names.some((name) => name.includes(` ${wanted}`))) return 2;
    return names.some((name) => name.includes(wanted)) ? 3 : null;
  };
  const found = [[], [], [], []];
  for (const subject of subjects) {
    const level = quality(subject);
    if (level !== null) found[level].push(subject);
  }
  return found.flat().slice(0, limit);
}
