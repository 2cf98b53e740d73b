"""HNSW parameters (Malkov & Yashunin 2016), shared by FAISS and Milvus."""

LINKS = 32  # links per row and level (M)
BUILD_BEAM = 100  # efConstruction


def beam(k: int) -> int:
    """The search beam (efSearch) for k results; a beam no wider than k loses the farther results."""
    return max(128, 2 * k)
