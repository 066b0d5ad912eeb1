"""How well latents retrieve and translate, beside baselines."""
