"""Decode state: text that is drafted, verified and rewound token by token."""
