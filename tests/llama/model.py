"""Writes a language model that recites: a GGUF file of some hundred kilobytes, for llama.cpp to serve.

It has the shape of a Llama and no knowledge. Attention and feed-forward are zero, so what comes next depends on the
last token alone: each token of the recital has a direction of its own, and the output layer turns it into the next.
Every other token, and so whatever the prompt is, begins the recital.
"""

import struct

# What it says to everything, token by token, ending by itself.
RECITAL = ["नम", "स्ते", ",", " दुनिया", " 👩‍👩‍👧", " 🙂", "।\n", "Bye", "."]
# What it says, again and again, if asked to go on for ever.
ROUND = [" a", " b"]
ROUND_BEGINS = "∞"

TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if 'for ever' in messages[-1].content %}" + ROUND_BEGINS + "{% else %}>{% endif %}"
)

WIDTH = 64
FORWARD = 32
# Long enough that a round takes many seconds, at tens of thousands of tokens a second.
CONTEXT = 262144
UNKNOWN, BEGIN, END = 0, 1, 2
# Kinds of tokens, as GGUF numbers them.
KIND_UNKNOWN, CONTROL, USER_DEFINED, BYTE = 2, 3, 4, 6


def vocabulary():
    tokens = [("<unk>", KIND_UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    tokens += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    return tokens + [(text, USER_DEFINED) for text in RECITAL + ROUND + [ROUND_BEGINS]]


def successors():
    """The token behind each token that has a direction of its own, and behind all others (None)."""
    first = 3 + 256
    recital = list(range(first, first + len(RECITAL)))
    round_ = list(range(recital[-1] + 1, recital[-1] + 1 + len(ROUND)))
    begins = round_[-1] + 1
    after = {None: recital[0], recital[-1]: END, round_[-1]: round_[0], begins: round_[0]}
    for tokens in (recital, round_):
        after.update(zip(tokens, tokens[1:]))
    return after


def text(value):
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


# The types of GGUF's values.
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
PACK = {
    U32: lambda value: struct.pack("<I", value),
    I32: lambda value: struct.pack("<i", value),
    F32: lambda value: struct.pack("<f", value),
    BOOL: lambda value: struct.pack("<?", value),
    STRING: text,
}


def field(name, kind, value):
    if isinstance(value, list):
        body = struct.pack("<IIQ", ARRAY, kind, len(value)) + b"".join(map(PACK[kind], value))
    else:
        body = struct.pack("<I", kind) + PACK[kind](value)
    return text(name) + body


def metadata():
    tokens = vocabulary()
    return [
        field("general.architecture", STRING, "llama"),
        field("general.name", STRING, "recital"),
        field("llama.context_length", U32, CONTEXT),
        field("llama.embedding_length", U32, WIDTH),
        field("llama.block_count", U32, 1),
        field("llama.feed_forward_length", U32, FORWARD),
        field("llama.attention.head_count", U32, 1),
        field("llama.attention.head_count_kv", U32, 1),
        field("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        field("llama.rope.dimension_count", U32, WIDTH),
        field("llama.vocab_size", U32, len(tokens)),
        field("tokenizer.ggml.model", STRING, "llama"),
        field("tokenizer.ggml.tokens", STRING, [token for token, _ in tokens]),
        field("tokenizer.ggml.scores", F32, [0.0] * len(tokens)),
        field("tokenizer.ggml.token_type", I32, [kind for _, kind in tokens]),
        field("tokenizer.ggml.bos_token_id", U32, BEGIN),
        field("tokenizer.ggml.eos_token_id", U32, END),
        field("tokenizer.ggml.unknown_token_id", U32, UNKNOWN),
        field("tokenizer.ggml.add_space_prefix", BOOL, False),
        field("tokenizer.chat_template", STRING, TEMPLATE),
    ]


def tensors():
    """Names, shapes and numbers; rows last."""
    count = len(vocabulary())
    after = successors()
    direction = {token: number for number, token in enumerate(after)}
    embedding = [0.0] * (count * WIDTH)
    output = [0.0] * (count * WIDTH)
    for token in range(count):
        embedding[token * WIDTH + direction.get(token, direction[None])] = 1.0
    for token, following in after.items():
        output[following * WIDTH + direction[token]] = 10.0
    ones, square, forward = [1.0] * WIDTH, [0.0] * (WIDTH * WIDTH), [0.0] * (WIDTH * FORWARD)
    return [
        ("token_embd.weight", (WIDTH, count), embedding),
        ("blk.0.attn_norm.weight", (WIDTH,), ones),
        ("blk.0.attn_q.weight", (WIDTH, WIDTH), square),
        ("blk.0.attn_k.weight", (WIDTH, WIDTH), square),
        ("blk.0.attn_v.weight", (WIDTH, WIDTH), square),
        ("blk.0.attn_output.weight", (WIDTH, WIDTH), square),
        ("blk.0.ffn_norm.weight", (WIDTH,), ones),
        ("blk.0.ffn_gate.weight", (WIDTH, FORWARD), forward),
        ("blk.0.ffn_up.weight", (WIDTH, FORWARD), forward),
        ("blk.0.ffn_down.weight", (FORWARD, WIDTH), forward),
        ("output_norm.weight", (WIDTH,), ones),
        ("output.weight", (WIDTH, count), output),
    ]


def write(path):
    alignment, kind_f32 = 32, 0
    fields, parts = metadata(), tensors()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(parts), len(fields)) + b"".join(fields)
    data = b""
    for name, shape, numbers in parts:
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind_f32, len(data))
        data += struct.pack(f"<{len(numbers)}f", *numbers)
        data += b"\0" * (-len(data) % alignment)
    with open(path, "wb") as file:
        file.write(head + b"\0" * (-len(head) % alignment) + data)
