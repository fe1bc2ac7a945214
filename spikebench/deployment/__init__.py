"""Using a trained model: prediction on recordings, weights of few bits, export to NIR and ONNX.

::

    catalogue     The models and what can be done with them: size, presets, learning rules, formats
    export        A trained run as a file for other programs: NIR for spiking models, ONNX for
                  conventional ones
    nir_graph     Spiking models as graphs of the Neuromorphic Intermediate Representation (NIR)
    onnx_graph    Conventional models as ONNX graphs: float32 ``raster`` (batch, time, unit) in,
                  float32 ``scores`` (batch, class) out
    prediction    Predictions of a trained model: for whole clips, over time, and chunk by chunk
    quantisation  Rounding the weights of a finished run to few bits
    recording     One recording as the input of a trained model, encoded like its training data
"""
