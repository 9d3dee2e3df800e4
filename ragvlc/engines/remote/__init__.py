"""Clients of remote servers: retries, concurrency limits, streaming, API errors, tokenizers and control strings.

For a generator of your own behind a server: `server.Server` calls with retries and hides keys, `concurrency` bounds the
calls of all threads, `tokenizers.tokenizer_for` counts tokens, `streaming.read` times an answer as it comes in.

    server = Server(Address("http://localhost:8000/v1", "my-model", api_key_env="MY_KEY", timeout_seconds=60))
    reply = server.patiently(lambda: server.client.chat.completions.create(model="my-model", messages=[...])).value
    server.close()

Lengths are in tokens, times in seconds. `ragvlc/generators/openai_compatible.py` puts all of it together.
"""
