"""An SDC model as it is served: a mosaic in, a prediction, the focus and every weight behind it out.

B mosaics of m segments, k classes.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from attendant.manifest import MANIFEST, ManifestError, ModelManifest, read_manifest, verify
from attendant.models.explained_mosaic import ExplainedMosaic
from attendant.models.fcam import Fcam, FcamConfig
from attendant.models.fcam_engines import FcamAnswers, FcamEngine, OnnxFcamEngine, TorchFcamEngine
from attendant.models.fcam_store import load_fcam, load_fcam_config
from attendant.models.runtime import open_verified, still_blas
from attendant.models.segments import Floats, PreparedMosaic, decode_mosaic
from attendant.models.store import file_of
from attendant.statistics.divergences import entropy
from attendant.statistics.summaries import summarise
from attendant.types import (
    Attention,
    AttentionKind,
    AttentionVector,
    Axis,
    Focus,
    Modality,
    ModelRef,
    Mosaic,
    MosaicShape,
    Outcome,
    Prediction,
    Runtime,
    Warning_,
    WarningCode,
)

RISKY = 0.5  # the focus is as likely wrong as right


class SdcModel:
    """One version of an SDC model: what its manifest and config say, and an engine that runs it.

    No answer says ATTENTION_IS_NOT_IMPORTANCE, as a tweet's does. There, attention runs over states that mix positions;
    here phi is of its segment alone, and a weight is the segment's share in all that the classifier sees. What can be
    wrong is where the focus lies, and of that FOCUS_AT_RISK warns.
    """

    def __init__(self, manifest: ModelManifest, version: str, folder: Path, engine: FcamEngine) -> None:
        entry = manifest.version_or_default(version)
        config = load_fcam_config(folder, entry)
        self.ref = ModelRef(manifest.name, entry.version, entry.digest)
        self.engine = engine
        self.config = config.fcam
        self._classes = manifest.classes
        self._shape = _agree(folder, manifest, config.fcam)
        self._risk = config.focus_risk
        self._folder, self._entry = folder, entry
        verify(folder, file_of(entry, "fcam"))  # read when it is first needed

    @classmethod
    def open_served(cls, folder: Path, version: str = "") -> Self:
        """From a built archive's model folder, on ONNX Runtime."""
        manifest = read_manifest(folder)
        entry = manifest.version_or_default(version)
        engine = OnnxFcamEngine(open_verified(folder, file_of(entry, "fcam_onnx")))
        return cls(manifest, version, folder, engine)

    @classmethod
    def open_torch(cls, folder: Path, version: str = "", device: str = "cpu") -> Self:
        """From model_store, in eager torch: needs no archive."""
        manifest = read_manifest(folder)
        engine = TorchFcamEngine(load_fcam(folder, manifest.version_or_default(version)), device)
        return cls(manifest, version, folder, engine)

    @cached_property
    def _explaining(self) -> Fcam:
        """What explains the engine's answers: the same weights in torch, on the CPU, once they are asked for."""
        still_blas()
        model = load_fcam(self._folder, self._entry).requires_grad_(requires_grad=False)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # convolutions take a third of the time
        return model

    @property
    def runtime(self) -> Runtime:
        return self.engine.runtime

    def prepare(self, mosaic: Mosaic) -> PreparedMosaic:
        """The segments as the model reads them; raises INVALID_INPUT for a mosaic that is not of the model's shape."""
        return decode_mosaic(mosaic, self._shape)

    def infer(self, mosaics: Sequence[PreparedMosaic]) -> list[Outcome]:
        """Answer independent mosaics in one pass."""
        return self._outcomes(mosaics, self._answer(mosaics, phi=False))

    def inspect(self, mosaics: Sequence[PreparedMosaic]) -> list[tuple[Outcome, ExplainedMosaic]]:
        """`infer`, and each mosaic as it was encoded, for the explainers."""
        answers = self._answer(mosaics, phi=True)
        assert answers.phi is not None
        subjects = [
            ExplainedMosaic(self._explaining, self._classes, mosaic.segments, weights, phi)
            for mosaic, weights, phi in zip(mosaics, answers.weights, answers.phi, strict=True)
        ]
        return list(zip(self._outcomes(mosaics, answers), subjects, strict=True))

    def _answer(self, mosaics: Sequence[PreparedMosaic], *, phi: bool) -> FcamAnswers:
        return self.engine.answer(np.stack([mosaic.segments for mosaic in mosaics]), phi=phi)

    def _outcomes(self, mosaics: Sequence[PreparedMosaic], answers: FcamAnswers) -> list[Outcome]:
        # The risk is told from what the mechanism is trained with: hard attention's own weights are always sure
        trained = self.config.mechanism.focus_map.training_weights(torch.from_numpy(answers.scores))
        risks = self._risk(trained.numpy(), answers.probabilities)
        rows = zip(mosaics, answers.weights, answers.probabilities, risks.tolist(), strict=True)
        return [self._outcome(*row) for row in rows]

    def _outcome(
        self, mosaic: PreparedMosaic, weights: Floats, probabilities: Floats, risk: float
    ) -> Outcome:
        best = int(probabilities.argmax())
        vector = AttentionVector(AttentionKind.FOCUS, weights, Modality.SEGMENT)
        axis = Axis(Modality.SEGMENT, labels=tuple(map(str, range(len(weights)))))
        return Outcome(
            prediction=Prediction(
                self._classes[best],
                float(probabilities[best]),
                tuple(zip(self._classes, probabilities.tolist(), strict=True)),
            ),
            attention=Attention((vector,), (axis,)),
            warnings=(*mosaic.warnings, *_warn(risk)),
            focus=_focus(weights, risk, mosaic.foreground_index),
        )


def _agree(folder: Path, manifest: ModelManifest, config: FcamConfig) -> MosaicShape:
    """The mosaics that both the manifest and the config say; ManifestError where they differ."""
    shape = config.mosaic
    if manifest.mosaic != shape:
        raise ManifestError(f"{folder / MANIFEST}: mosaic: it is {manifest.mosaic}; config.json says {shape}")
    if len(manifest.classes) != config.n_classes:
        raise ManifestError(
            f"{folder / MANIFEST}: classes: there are {len(manifest.classes)}; config.json says {config.n_classes}"
        )
    return shape


def _focus(weights: NDArray[np.float32], risk: float, foreground: int | None) -> Focus:
    index = int(weights.argmax())
    summary = summarise([weights])[0]
    return Focus(
        index=index,
        risk=risk,
        nnz=summary.nnz,
        dist=summary.dist,
        entropy=max(0.0, float(entropy(weights))),  # rounding may leave the range; in this order -0.0 is 0
        is_true=None if foreground is None else index == foreground,
    )


def _warn(risk: float) -> tuple[Warning_, ...]:
    if risk < RISKY:
        return ()
    message = f"the focus lies on the wrong segment with a probability of {risk:.2f}"
    return (Warning_(WarningCode.FOCUS_AT_RISK, message),)
