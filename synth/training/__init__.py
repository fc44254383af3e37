"""What training is made of; `synth.train` puts it together."""
