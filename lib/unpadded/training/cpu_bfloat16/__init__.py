"""Layers of over two million weights, trained in bfloat16 on a CPU: three times fastai's speed (benchmarks/training.py).

Torch's own bfloat16 LSTM casts and copies at every step. Here the weights are dropped, rounded and packed in one pass
(`dropout`), what lies between the products of a step is compiled (`gates`), and the memory of one window is used again
for the next. Imported only when such a layer is trained; smaller ones are as fast in torch.
"""
