"""XR-Linear of PECOS (Yu et al. 2022): training and prediction, run by a separate Python that has libpecos.

    python xr_linear.py FOLDER THREADS
    FOLDER/train_x.npz (V, F), train_y.npz (V, N), test_x.npz (Q, F), scipy CSR  ->  FOLDER/scores.npz (Q, N)

It imports nothing from videotag: libpecos needs numpy below 2.
"""

import sys
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from pecos.xmc import Indexer, LabelEmbeddingFactory
from pecos.xmc.xlinear.model import XLinearModel

MOST_TAGS = 200
BEAM = 50  # clusters kept at each level; the default of 10 cannot yield 200 tags from many clusters
SEED = 7


def main(folder: Path, threads: int) -> None:
    names = ("train_x", "train_y", "test_x")
    x, y, queries = (sp.load_npz(folder / f"{name}.npz").astype(np.float32) for name in names)
    started = time.monotonic()
    labels = LabelEmbeddingFactory.create(y, x, method="pifa")
    clusters = Indexer.gen(labels, indexer_type="hierarchicalkmeans", seed=SEED, threads=threads)
    del labels
    _report("clustered", started)
    model = XLinearModel.train(x, y, C=clusters, threads=threads)
    _report("trained", started)
    scores = model.predict(queries, beam_size=BEAM, only_topk=MOST_TAGS, threads=threads)
    sp.save_npz(folder / "scores.npz", sp.csr_matrix(scores, dtype=np.float32))
    _report("predicted", started)


def _report(stage: str, started: float) -> None:
    sys.stderr.write(f"XR-Linear: {stage} after {time.monotonic() - started:.0f} s\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
