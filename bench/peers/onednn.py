"""Float32 linears through oneDNN; stock PyTorch sends them to MKL."""

import torch


class OneDnnLinear(torch.autograd.Function):
    """x Wᵀ + b, or without b, with oneDNN's float32 products in both directions."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        product = torch.ops.mkldnn._linear_pointwise
        dx = product(gradient, weight.t().contiguous(), None, "none", [], "") if ctx.needs_input_grad[0] else None
        dw = product(gradient.t().contiguous(), x.t().contiguous(), None, "none", [], "")
        return dx, dw, gradient.sum(0) if ctx.biased else None
