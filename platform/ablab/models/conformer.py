"""The Conformer decoder, original and v2: EEG and a subject's index in, the speech envelope out."""

from __future__ import annotations

from torch import Tensor, nn

from ablab.models.attention import RelativeAttention
from ablab.models.blocks import ConformerBlock
from ablab.models.convolution import Convolution
from ablab.models.decoder import STACK, Decoder
from ablab.models.front_end import (
    ConvolutionalFrontEnd,
    SinusoidalPositions,
    SqueezeExcitation,
    SubjectEmbedding,
)
from ablab.models.fusion import Gate
from ablab.models.gradient_scale import GradientScale
from ablab.models.head import LinearHead, MlpHead
from ablab.spec.experiment import Conformer, Improvements


class ConformerDecoder(Decoder):
    """Front end, channel attention, subject, positions, Conformer stack, fusion, head.

    Modules that a toggle leaves out are None and have no parameters. With no blocks there is nothing to
    fuse: the stack's input goes to the head, whatever ``residual`` says, and no gate is built.
    """

    is_replayable = True

    def __init__(self, model: Conformer, improvements: Improvements, n_chans: int, n_subjects: int) -> None:
        super().__init__()
        d_model, drop_prob = model.d_model, model.drop_prob
        self.n_chans = n_chans
        self.residual = improvements.residual if model.n_layers else "none"
        self.front_end: nn.Module
        if model.front_end == "cnn":
            self.front_end = ConvolutionalFrontEnd(n_chans, d_model, drop_prob)
        else:
            self.front_end = nn.Linear(n_chans, d_model)
        self.se = SqueezeExcitation(d_model) if model.squeeze_excitation else None
        self.subject = SubjectEmbedding(n_subjects, d_model) if model.subject_conditioning else None
        self.positions = SinusoidalPositions(d_model) if model.sinusoidal_positions else None
        self.layer_stack = nn.ModuleList(ConformerBlock(model) for _ in range(model.n_layers))
        self.gradient_scale = GradientScale(improvements.gradient_scale)
        self.gradient_scale_position = improvements.gradient_scale_position
        self.gate = Gate(d_model) if self.residual == "gated" else None
        self.head: nn.Module = MlpHead(d_model, drop_prob) if improvements.mlp_head else LinearHead(d_model)

    def forward(self, eeg: Tensor, subject: Tensor) -> Tensor:
        """Decode a batch.

        eeg: (batch, n_times, n_chans), any n_times. subject: (batch,) int64, an index below the number of
        subjects that the decoder was built for; not read without subject conditioning.
        Returns the envelope, (batch, n_times, 1).
        """
        self._check(eeg, subject)
        x = self.stack_input(eeg, subject)
        stack = x
        for block in self.layer_stack:
            stack = block(stack)
        return self.decode(stack, x)

    def compiled_parts(self) -> tuple[nn.Module, ...]:
        """See `Decoder.compiled_parts`: the blocks, or the whole where there is none."""
        return tuple(self.layer_stack) or (self,)

    def stack_input(self, eeg: Tensor, subject: Tensor) -> Tensor:
        """Everything before the first block: (batch, n_times, d_model)."""
        x: Tensor = self.front_end(eeg)
        if self.se is not None:
            x = self.se(x)
        if self.subject is not None:
            x = x + self.subject(subject)
        return x if self.positions is None else self.positions(x)

    def decode(self, stack: Tensor, x: Tensor) -> Tensor:
        """Fusion and head, on the stack's output and its input, both (batch, n_times, d_model)."""
        if self.gradient_scale_position == "stack":
            stack = self.gradient_scale(stack)
        if self.residual == "global":
            stack = stack + x
        elif self.gate is not None:
            stack = self.gate(stack, x)
        if self.gradient_scale_position == "head":
            stack = self.gradient_scale(stack)
        return self.head(stack)  # type: ignore[no-any-return]

    def scaled_groups(self) -> frozenset[str]:
        """See `Decoder.scaled_groups`: at the scale's present position.

        Behind the stack, what lies before the stack is reached by the fusion's other branch as well, and
        is a member only where there is no fusion.
        """
        names = self.layer_groups().keys()
        if self.gradient_scale_position == "head":
            return frozenset(names - {"head"})
        if self.residual == "none":
            return frozenset(names - {"head", "gate"})
        return frozenset(name for name in names if name.startswith(f"{STACK}."))

    def zero_gradient_parameters(self) -> frozenset[str]:
        """Biases whose true gradient is zero, so that only rounding errors move them.

        A key bias b adds q.b to all scores of a query, which the softmax does not see, with relative
        positions or without. A bias before a BatchNorm in training is subtracted with the mean.
        """
        names = set()
        for name, module in self.named_modules():
            if isinstance(module, RelativeAttention):
                names.add(f"{name}.key.bias")
            elif isinstance(module, Convolution):
                names.add(f"{name}.depthwise.bias")
        return frozenset(names)

    def _check(self, eeg: Tensor, subject: Tensor) -> None:
        if eeg.dim() != 3 or eeg.shape[2] != self.n_chans:
            raise ValueError(
                f"eeg has shape {tuple(eeg.shape)}; the decoder takes (batch, n_times, {self.n_chans})"
            )
        if eeg.shape[1] == 0:
            raise ValueError(f"eeg has shape {tuple(eeg.shape)}: a window of no samples")
        if subject.shape != eeg.shape[:1]:
            raise ValueError(
                f"subject has shape {tuple(subject.shape)}; a batch of {eeg.shape[0]} windows needs "
                f"({eeg.shape[0]},)"
            )
