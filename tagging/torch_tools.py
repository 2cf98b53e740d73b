"""What torch computes on."""

from tagging.errors import InvalidConfigError


def torch_device(wanted: str, key: str) -> str:
    """ "cuda" or "cpu"; wanted: "auto" takes a GPU where torch sees one.

    key: where the configuration says so. Raises InvalidConfigError for a GPU that is not there.
    """
    if wanted == "cpu":
        return "cpu"
    import torch  # a second that those who want the processor need not wait

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "auto":
        return "cpu"
    raise InvalidConfigError(
        f"{key} is cuda, and torch sees no CUDA device", f"set {key} to auto or cpu, or install CUDA torch"
    )
