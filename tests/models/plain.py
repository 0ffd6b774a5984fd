"""The decoder's mathematics once more, plain and readable: the weights by name, no module, nothing clever.

Relative positions are gathered into the tensor (n_times, n_times, d_head) that the decoder never forms. What
it is given decides the precision; autograd gives its gradients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ablab.models.dropout import Dropout

LONGEST = 999


def plain_decoder(
    weights: Mapping[str, Tensor],
    keys: Mapping[str, Any],
    eeg: Tensor,
    subject: Tensor,
    *,
    training: bool = False,
) -> Tensor:
    """keys: all of the model and improvements blocks. In training BatchNorm takes the batch's own statistics,
    and dropout draws its masks, in forward order, as the decoder does: from PyTorch's global generator.
    """
    w = weights
    dropout = Dropout(keys["drop_prob"]).train(training)
    n_heads, kernel_size = keys["n_heads"], keys["conv_kernel_size"]

    def linear(name: str, x: Tensor) -> Tensor:
        y = x @ w[f"{name}.weight"].T
        return y + w[f"{name}.bias"] if f"{name}.bias" in w else y

    def norm(name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / scale * w[f"{name}.weight"] + w[f"{name}.bias"]

    def batch_norm(name: str, x: Tensor) -> Tensor:
        mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        if training:
            mean, variance = x.mean((0, 1)), x.var((0, 1), correction=0)
        return (x - mean) / (variance + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dropped(x: Tensor) -> Tensor:
        keep = dropout.keep_mask(x.shape)
        return x if keep is None else torch.where(keep, x * dropout.scale, torch.zeros_like(x))

    def leaky(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.01 * x)

    def swish(x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)

    def feed_forward(name: str, x: Tensor) -> Tensor:
        inner = dropped(swish(linear(f"{name}.widen", norm(f"{name}.norm", x))))
        return dropped(linear(f"{name}.narrow", inner))

    def attention(name: str, x: Tensor) -> Tensor:
        x = norm(f"{name}.norm", x)
        batch, n_times, d_model = x.shape
        q, k, v = (
            linear(f"{name}.{part}", x).view(batch, n_times, n_heads, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(2, 3)
        if keys["relative_positions"]:
            i = torch.arange(n_times)
            rows = w[f"{name}.relative"][(i[:, None] - i[None]).clamp(-LONGEST, LONGEST) + LONGEST]
            scores = scores + torch.einsum("bhid,ijd->bhij", q, rows)
        mixing = torch.softmax(scores / math.sqrt(d_model // n_heads), -1).flatten(0, 1)
        mixed = dropped(mixing).view_as(scores) @ v
        return dropped(linear(f"{name}.output", mixed.transpose(1, 2).reshape(batch, n_times, d_model)))

    def convolution(name: str, x: Tensor) -> Tensor:
        a, b = linear(f"{name}.widen", norm(f"{name}.norm", x)).chunk(2, -1)
        half = kernel_size // 2
        y = functional.pad((a * torch.sigmoid(b)).transpose(1, 2), (half, half)).unfold(2, kernel_size, 1)
        y = (y * w[f"{name}.depthwise.weight"][:, 0, None]).sum(-1).transpose(1, 2)
        y = swish(batch_norm(f"{name}.batch_norm", y + w[f"{name}.depthwise.bias"]))
        return dropped(linear(f"{name}.narrow", y))

    def scaled(x: Tensor) -> Tensor:
        # The value of x; as for the gradient, ``scale`` times that of x.
        scale = keys["gradient_scale"] if training else 1.0
        return x.detach() + scale * (x - x.detach())

    if keys["front_end"] == "cnn":
        x = eeg
        for index, kernel in enumerate((7, 5, 3)):
            weight, bias = (w[f"front_end.convolutions.{index}.{part}"] for part in ("weight", "bias"))
            assert weight.shape[2] == kernel
            x = functional.conv1d(x.transpose(1, 2), weight, bias, padding=kernel // 2).transpose(1, 2)
            x = dropped(leaky(norm(f"front_end.norms.{index}", x)))
    else:
        x = linear("front_end", eeg)
    if keys["squeeze_excitation"]:
        x = x * torch.sigmoid(linear("se.excite", leaky(linear("se.squeeze", x.mean(1)))))[:, None]
    if keys["subject_conditioning"]:
        n_subjects = w["subject.weight"].shape[1]
        x = x + linear("subject", functional.one_hot(subject, n_subjects).to(x.dtype))[:, None]
    if keys["sinusoidal_positions"]:
        d = x.shape[2]
        x = x + torch.tensor(
            [
                [(math.cos if c % 2 else math.sin)(t / 10000 ** ((c - c % 2) / d)) for c in range(d)]
                for t in range(x.shape[1])
            ],
            dtype=x.dtype,
        )
    stack = x
    step = 0.5 if keys["macaron"] else 1.0
    for index in range(keys["n_layers"]):
        block = f"layer_stack.{index}"
        if keys["macaron"]:
            stack = stack + step * feed_forward(f"{block}.feed_forward_in", stack)
        stack = stack + attention(f"{block}.attention", stack)
        stack = stack + convolution(f"{block}.convolution", stack)
        stack = norm(f"{block}.norm", stack + step * feed_forward(f"{block}.feed_forward_out", stack))
    if keys["gradient_scale_position"] == "stack":
        stack = scaled(stack)
    if keys["n_layers"] and keys["residual"] == "global":
        stack = stack + x
    elif keys["n_layers"] and keys["residual"] == "gated":
        g = torch.sigmoid(linear("gate.excite", linear("gate.squeeze", stack.mean(1)).clamp_min(0)))[:, None]
        stack = g * stack + (1 - g) * x
    if keys["gradient_scale_position"] == "head":
        stack = scaled(stack)
    if not keys["mlp_head"]:
        return linear("head", stack)
    y = linear("head.narrow", norm("head.norm", stack))
    return linear("head.output", dropped(y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))))
