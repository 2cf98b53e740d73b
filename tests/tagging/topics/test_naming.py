import math

import numpy as np

from tagging.ragged import Ragged
from tagging.topics.naming import c_tf_idf, examples_of, members_of, tag_frequencies, telling_tags

TAGS = Ragged.of([[0, 1], [0, 1], [0, 2], [0, 2, 3], [], [1]])
TOPICS = np.array([0, 0, 1, 1, 1, -1])


def test_weights_are_class_based_tf_idf() -> None:
    got = c_tf_idf(tag_frequencies(TOPICS, 2, TAGS, 4)).toarray()
    frequency = [[0] * 4 for _ in range(2)]
    for video, topic in enumerate(TOPICS.tolist()):
        for tag in TAGS.at(video).tolist() if topic >= 0 else []:
            frequency[topic][tag] += 1
    mean = sum(map(sum, frequency)) / 2
    for topic in range(2):
        for tag in range(4):
            total = frequency[0][tag] + frequency[1][tag]
            want = frequency[topic][tag] * math.log(1 + mean / total) if total else 0.0
            assert abs(got[topic, tag] - want) < 1e-9


def test_a_tag_of_every_topic_tells_less_than_one_of_its_own() -> None:
    names = telling_tags(tag_frequencies(TOPICS, 2, TAGS, 4), 2)
    assert [topic[0] for topic in names] == [1, 2]


def test_a_tag_of_a_single_video_comes_last() -> None:
    tags = Ragged.of([[0], [0, 1], *([[0]] * 18)])
    frequencies = tag_frequencies(np.array([0] * 2 + [1] * 18), 2, tags, 2)
    assert c_tf_idf(frequencies)[0, 1] > c_tf_idf(frequencies)[0, 0]  # although only one video has it
    assert telling_tags(frequencies, 2) == [[0, 1], [0]]


def test_a_topic_without_tags_has_no_telling_ones() -> None:
    assert telling_tags(tag_frequencies(np.array([0, 0, 0, 0, 1, 0]), 2, TAGS, 4), 3)[1] == []
    assert telling_tags(tag_frequencies(np.full(6, -1), 2, TAGS, 4), 3) == [[], []]


def test_examples_are_the_nearest_videos_with_different_titles() -> None:
    members = members_of(np.array([0, 0, 0, 1, 0]), 2)
    found = examples_of(
        members.at(0), np.array([0.3, 0.9, 0.8, 1.0, 0.9], np.float32),
        ["a", "b", "c", "d", "e"], ["one", "two", "two", "three", ""], 3,
    )  # fmt: skip
    assert [example.video_id for example in found] == ["b", "e", "a"]


def test_a_topic_has_the_videos_whose_one_topic_it_is() -> None:
    members = members_of(np.array([2, -1, 0, 2, -1, 0]), 4)
    assert [members.at(topic).tolist() for topic in range(4)] == [[2, 5], [], [0, 3], []]
