"""An example of a proposed tag."""

from tagging.tags.new_tag_proposals import NewTag

PROPOSAL = NewTag("padel", videos=3, uploaders=2, confidence=0.5, spelling_of="", video_ids=("a",), titles=("t",))
