"""The C structs of include/bilens/*.h that cross the boundary, field for field (tests/abi.py compares sizes and offsets with the compiler)."""
import ctypes as c

MAX_DIMS = 8

Bool = c.c_bool
Size = c.c_size_t
FloatPointer = c.POINTER(c.c_float)
IntPointer = c.POINTER(c.c_int32)


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("message", c.c_char * 1024)]


class View(c.Structure):
    _fields_ = [("data", c.c_void_p), ("rows", Size), ("cols", Size), ("stride", Size)]


ProgressFunction = c.CFUNCTYPE(Bool, c.c_void_p, c.c_char_p, c.c_uint64, c.c_uint64)


class Progress(c.Structure):
    _fields_ = [("report", ProgressFunction), ("context", c.c_void_p)]


class NamedArray(c.Structure):
    _fields_ = [("name", c.c_char_p), ("data", c.c_void_p), ("n_dims", Size), ("shape", Size * MAX_DIMS)]


class Ids(c.Structure):
    _fields_ = [("data", c.c_void_p), ("n", Size), ("capacity", Size)]


class Config(c.Structure):
    _fields_ = [("generation", c.c_int), ("n_vocab", Size), ("n_layer", Size), ("n_head", Size), ("n_ctx", Size), ("d_model", Size),
                ("d_hidden", Size), ("gate", c.c_int), ("plain", Bool), ("bias_w", Bool), ("bias_p", Bool), ("normalization", Bool),
                ("norm_weights", Bool), ("tied", Bool), ("noise", c.c_float)]


class Layer(c.Structure):
    _fields_ = [("w_q", View), ("w_k", View), ("w_v", View), ("w_o", View), ("w_l", View), ("w_r", View), ("w_p", View),
                ("b_l", c.c_void_p), ("b_r", c.c_void_p), ("b_p", c.c_void_p)]


class Loss(c.Structure):
    _fields_ = [("loss", c.c_double), ("predictions", c.c_uint64), ("stories", c.c_uint64)]


class Direction(c.Structure):
    _fields_ = [("token", c.c_char_p), ("minus", c.POINTER(c.c_char_p)), ("n_minus", Size), ("centre_unembedding", Bool),
                ("vector", c.c_void_p), ("name", c.c_char_p)]


class WeightArray(c.Structure):
    _fields_ = [("array", NamedArray), ("axes", c.c_char_p * MAX_DIMS), ("owned", c.c_void_p)]


class Entry(c.Structure):
    _fields_ = [("value", c.c_float), ("index", Size * MAX_DIMS)]


class ScanOptions(c.Structure):
    _fields_ = [("top", Size), ("max_stories", Size), ("progress", Progress), ("exact_path", Bool), ("heads", Bool),
                ("distributed", Bool)]


class Match(c.Structure):
    _fields_ = [("story", Size), ("position", Size), ("similarity", c.c_float), ("activation", c.c_float), ("bias", c.c_float),
                ("contributions", c.c_void_p), ("heads", c.c_void_p), ("n_heads", Size), ("ids", c.c_void_p), ("n_ids", Size)]


class Subject(c.Structure):
    _fields_ = [("model", c.c_void_p), ("direction", c.POINTER(Direction)), ("layer", Size)]


class Terminal(c.Structure):
    _fields_ = [("colour", c.c_int), ("width", Size), ("light", Bool)]


class GenerateOptions(c.Structure):
    _fields_ = [("temperature", c.c_double), ("top_k", Size), ("top_p", c.c_double), ("seed", c.c_uint64), ("max_tokens", Size),
                ("capitals", Bool), ("whole", Bool)]


class Generated(c.Structure):
    _fields_ = [("ids", Ids), ("n_prompt", Size), ("text", c.c_void_p), ("stop", c.c_int), ("steps", Size)]


StoryFunction = c.CFUNCTYPE(Bool, c.c_void_p, Size, c.POINTER(Generated), c.POINTER(Error))

class HubName(c.Structure):
    _fields_ = [("repository", c.c_char * 128), ("revision", c.c_char * 256)]


class HubOptions(c.Structure):
    _fields_ = [("cache", c.c_char_p), ("endpoint", c.c_char_p), ("token", c.c_char_p), ("ca_file", c.c_char_p), ("offline", Bool),
                ("prefer_cache", Bool), ("list_only", Bool), ("parallel", Size), ("retries", Size), ("no_retries", Bool),
                ("retry_wait", c.c_double), ("timeout", c.c_double), ("max_bytes", c.c_uint64), ("progress", Progress)]


class HubRequest(c.Structure):
    _fields_ = [("name", c.c_char_p), ("revision", c.c_char_p), ("data", Bool), ("patterns", c.POINTER(c.c_char_p)), ("n_patterns", Size)]


# The C name of each, for the test.
NAMES = {"bl_error": Error, "bl_view": View, "bl_progress": Progress, "bl_named_array": NamedArray, "bl_ids": Ids, "bl_config": Config,
         "bl_layer": Layer, "bl_loss": Loss, "bl_direction": Direction, "bl_weight_array": WeightArray, "bl_entry": Entry,
         "bl_scan_options": ScanOptions, "bl_match": Match, "bl_subject": Subject, "bl_terminal": Terminal,
         "bl_generate_options": GenerateOptions, "bl_generated": Generated, "bl_hub_name": HubName,
         "bl_hub_options": HubOptions, "bl_hub_request": HubRequest}
