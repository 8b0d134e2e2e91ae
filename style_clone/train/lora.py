"""The model that is trained: a frozen base model, whole or in 4 bits, with a fresh LoRA."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from style_clone import precision
from style_clone.errors import UsageError
from style_clone.models import BaseModel, load_model
from style_clone.train.recipe import Recipe


def attach_lora(base: BaseModel, recipe: Recipe) -> Any:
    """The base model, as this machine computes or quantized, with a fresh LoRA in float32 on the layers the recipe names.

    Raises ModelError, and UsageError where the quantization asked for cannot be had here.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    targets = recipe.targets if recipe.targets == "all-linear" else recipe.targets.split(",")
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    model = load_model(base) if recipe.quantization == "none" else _load_4bit(base)
    torch.manual_seed(recipe.seed)  # after loading, which is not ours to say what it draws
    return get_peft_model(model, config)


def _load_4bit(base: BaseModel) -> Any:
    """The base model as QLoRA has it (Dettmers and others, 2023): 4-bit NormalFloat, its scales quantized once more.

    Norms and embeddings stay bfloat16: under autocast nothing is gained by the float32 that PEFT's
    `prepare_model_for_kbit_training` gives them, and a large vocabulary would outgrow the 4-bit weights. On a GPU, whose
    memory is what one quantizes for, activations are computed again in the backward pass instead of kept.
    """
    if find_spec("bitsandbytes") is None:
        raise UsageError(
            "quantization=4bit needs bitsandbytes, which is not installed",
            mend="Install it (pip install 'style-clone[quantized]'), or train without: --set quantization=none",
        )
    import torch
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, precision.here()),
    )
    has_gpu = torch.cuda.is_available()
    # Quantized weights cannot be moved later, so each process of a launcher loads them where it will train.
    device = int(os.environ.get("LOCAL_RANK", "0")) if has_gpu else "cpu"
    model = load_model(base, quantization_config=config, device_map={"": device})
    if has_gpu:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    else:
        _keep_trainable(model)
    return model


def _keep_trainable(model: Any) -> None:
    """Keep bitsandbytes from repacking weights when the model is first evaluated, as it does on CPUs with AVX-512 BF16.

    No gradient passes through the packed form, and training after an evaluation would go on with wrong ones, unnoticed.
    """
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
