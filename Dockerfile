# The app as a container: docker build -t genmodels . && docker run -p 7860:7860 genmodels
# With a GPU: docker build --build-arg TORCH=cu128 -t genmodels . && docker run --gpus all -p 7860:7860 genmodels
FROM python:3.12-slim
# Which build of PyTorch, by uv's names: cpu (200 MB), or cu126, cu128, … (some GB)
ARG TORCH=cpu
RUN useradd --create-home --uid 1000 user
WORKDIR /app
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --torch-backend=$TORCH -r requirements.txt -c constraints.txt
COPY app.py README.md LICENSE ./
COPY genmodels genmodels
COPY checkpoints checkpoints
USER user
ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
EXPOSE 7860
CMD ["python", "app.py"]
