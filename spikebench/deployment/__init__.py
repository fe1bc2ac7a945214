"""Using a trained model: prediction on recordings, weights of few bits, export to NIR and ONNX.

::

    catalogue     The models and what can be done with them: size, presets, learning rules, formats
    closed        Which samples of a spike file a trained model must not be tried on
    export        A trained run as a file for other programs: NIR for spiking models, ONNX for
                  conventional ones
    file_samples  Samples of a spike file as the input of a trained model, without those of the
                  test split of its data
    inspection    Looking into a trained network: its learned time constants and delays, the spikes
                  of its hidden layers
    nir_graph     Spiking models as graphs of the Neuromorphic Intermediate Representation (NIR)
    nir_obstacles  What keeps a model from being written as a graph of NIR
    onnx_graph    Conventional models as ONNX graphs: float32 ``raster`` (batch, time, unit) in,
                  float32 ``scores`` (batch, class) out
    prediction    Predictions of a trained model: for whole clips, over time, and chunk by chunk
    quantisation  Rounding the weights of a finished run to few bits
    recording     One recording as the input of a trained model, encoded like its training data
    restored      Runs of a result or of a leaderboard entry, from its logs and weights
"""
