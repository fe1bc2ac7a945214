"""Types of audio files: suffixes of recordings, and the type of a file by its first bytes.

The suffix makes a file a candidate; its content determines how it is read. Types that libsndfile does not read are
listed as well, so that messages can name them and the command that converts them.
"""

from __future__ import annotations

__all__ = [
    "HEADERLESS",
    "HEAD_BYTES",
    "READABLE",
    "UNREADABLE",
    "read_type",
    "remedy",
    "unread_type",
]

HEAD_BYTES = 64  # enough for every signature below

# Suffixes of the types that libsndfile reads, except MATLAB and HTK: such files contain features
# and tables far more often than sound.
READABLE = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf"),
    *(".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mp1", ".mpga", ".sph", ".nist"),
    *(".voc", ".svx", ".8svx", ".sf", ".ircam", ".paf", ".pvf", ".avr", ".wve", ".xi"),
)
# Suffixes of audio that it does not read.
UNREADABLE = (
    *(".m4a", ".m4b", ".m4r", ".mp4", ".aac", ".adts", ".alac", ".wma", ".asf", ".webm", ".weba"),
    *(".mka", ".amr", ".awb", ".3gp", ".3gpp", ".3g2", ".3ga", ".ape", ".wv", ".tta", ".mpc"),
    *(".ac3", ".eac3", ".dts", ".ra", ".rm", ".dsf", ".dff", ".gsm", ".spx", ".shn", ".qcp"),
    *(".sd2", ".sds"),
)
# Suffixes of headerless samples, whose rate and depth are not in the file.
HEADERLESS = (".raw", ".pcm", ".vox", ".sln", ".ulaw", ".alaw", ".g722")

_READ: tuple[tuple[int, bytes, str], ...] = (
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", "W64"),
    (0, b"caff", "CAF"),
    (0, b".snd", "AU"),
    (0, b"dns.", "AU"),
    (0, b"NIST_1A", "SPHERE"),
    (0, b"ID3", "MP3"),
    (0, b"Creative Voice File", "VOC"),
    (0, b"\x64\xa3", "IRCAM"),
    (2, b"\xa3\x64", "IRCAM"),
    (0, b" paf", "PAF"),
    (0, b"fap ", "PAF"),
    (0, b"PVF1", "PVF"),
    (0, b"2BIT", "AVR"),
    (0, b"ALawSoundFile**", "WVE"),
    (0, b"Extended Instrument", "XI"),
)
_FORMS = {b"AIFF": "AIFF", b"AIFC": "AIFF", b"8SVX": "SVX", b"16SV": "SVX"}
_UNREAD: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "MPEG-4 audio (AAC or ALAC)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media audio"),
    (0, b"\x1a\x45\xdf\xa3", "a WebM or Matroska file"),
    (0, b"#!AMR", "AMR speech"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack audio"),
    (0, b"TTA1", "True Audio"),
    (0, b"ADIF", "AAC"),
    (0, b"DSD ", "DSD audio"),
    (0, b"FRM8", "DSD audio"),
    (0, b"ajkg", "Shorten audio"),
    (0, b".RMF", "RealAudio"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"MP+", "Musepack audio"),
    (0, b"MPCK", "Musepack audio"),
    (0, b"\x0b\x77", "AC-3 audio"),
    (0, b"FLV", "Flash video"),
    (0, b"\xf0\x7e", "a MIDI sample dump"),  # libsndfile reads it, but prints to standard output
    (0, b"BW64", "BW64, a WAV of the European Broadcasting Union"),
)


def read_type(head: bytes) -> str:
    """Identify the type of a file that libsndfile should be able to read.

    Parameters
    ----------
    head
        The first :data:`HEAD_BYTES` bytes of the file.

    Returns
    -------
    str
        ``WAV``, ``RF64``, ``W64``, ``AIFF``, ``SVX``, ``AU``, ``CAF``, ``SPHERE``, ``FLAC``, ``Ogg``, ``MP3``
        (also layers I and II) or the name of a rarer type; empty for any other type.
    """
    if head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"RF64" and head[8:12] == b"WAVE":
        return "RF64"
    if head[:4] == b"FORM":
        return _FORMS.get(head[8:12], "")
    if head[:4] == b"OggS" and b"Speex   " in head:
        return ""
    for at, signature, name in _READ:
        if head[at : at + len(signature)] == signature:
            return name
    return "MP3" if _is_mpeg_header(head) else ""


def _is_mpeg_header(head: bytes) -> bool:
    """Return whether the first four bytes can begin a frame of MPEG audio, layer I to III."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    return version != 1 and layer != 0 and head[2] >> 4 != 15 and head[2] >> 2 & 3 != 3


def unread_type(head: bytes) -> str:
    """Identify a type of audio that libsndfile does not read.

    Parameters
    ----------
    head
        The first :data:`HEAD_BYTES` bytes of a file.

    Returns
    -------
    str
        Description for messages; empty if the type is not known.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "a video (AVI)"
    if head[:4] == b"OggS":
        return "Speex" if b"Speex   " in head else ""
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC"
    for at, signature, name in _UNREAD:
        if head[at : at + len(signature)] == signature:
            return name
    return ""


def remedy(suffix: str = "") -> str:
    """Return the command that converts a recording to a readable type.

    Parameters
    ----------
    suffix
        Suffix of the file, lower case, with its dot; empty for any file.

    Returns
    -------
    str
        A command line of ffmpeg, with NAME for the name of the file.
    """
    if suffix in HEADERLESS:
        return f"ffmpeg -f s16le -ar RATE -ac 1 -i NAME{suffix} NAME.flac"
    return (
        f"ffmpeg -i NAME{suffix} NAME.flac" if suffix != ".flac" else "ffmpeg -i NAME.flac NAME.wav"
    )
