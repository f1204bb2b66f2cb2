"""A network of the package in your own training loop.

The import brings in torch and nothing of the training engine.

To run it: python examples/own_loop.py
"""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from deepcanon.vision import ConvNet

torch.manual_seed(0)
digits = load_digits()  # 1,797 images of 8 x 8 pixels, 0 to 16
images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16  # [N, 1, 8, 8]
labels = torch.tensor(digits.target)
shuffled = torch.randperm(len(images))
train, test = shuffled[:1500], shuffled[1500:]

net = ConvNet(1, 10, size=(8, 8), channels=(16, 32), hidden=64)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)

for epoch in range(1, 11):
    net.train()
    for batch in train[torch.randperm(len(train))].split(64):
        loss = F.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        accuracy = (net(images[test]).argmax(1) == labels[test]).float().mean()
    print(f"epoch {epoch:2}  loss of the last batch {loss:.3f}  test accuracy {accuracy:.3f}")

torch.save(net.state_dict(), "convnet.pt")  # an ordinary nn.Module
print("weights saved to convnet.pt")
