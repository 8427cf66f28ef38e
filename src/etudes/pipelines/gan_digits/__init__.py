"""A conditional GAN of digits, beside a VAE on the same measures."""

from etudes.pipelines.gan_digits.pipeline import create_pipeline

__all__ = ["create_pipeline"]
