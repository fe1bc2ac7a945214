"""What is known about the code for GPUs, in the words of every place that offers it."""

GPU_STATUS = "The code for GPUs has not been run on a GPU yet"
