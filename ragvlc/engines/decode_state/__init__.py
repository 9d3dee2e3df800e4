"""Decode states for speculative decoding: texts that are drafted, verified and rewound token by token."""
