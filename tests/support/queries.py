"""Recall queries of videos that no tower has encoded, with the n-grams of their texts."""

from recall.ngrams import NgramFeatures, NgramRow
from recall.query import RecallQuery
from tagging.types import VideoEmbeddings


def query_of(video: VideoEmbeddings, features: NgramFeatures) -> RecallQuery:
    return RecallQuery(video, video.rows, NgramRow.at(features.transform([video.text]), 0))
