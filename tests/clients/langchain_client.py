"""LangChain's ChatOpenAI against the endpoint; prints what it heard as JSON. Arguments: base URL, key, model, question."""

from __future__ import annotations

import json
import sys

from langchain_openai import ChatOpenAI

url, key, model, asked = sys.argv[1:]
options = {"temperature": 0, "max_tokens": 8, "max_retries": 0}
chat = ChatOpenAI(base_url=url, api_key=key, model=model, **options)
whole = chat.invoke([("user", asked)])
pieces = [chunk.content for chunk in chat.stream([("user", asked)])]
try:
    ChatOpenAI(base_url=url, api_key=key, model="nobody", **options).invoke("hi")
    error = ""
except Exception as caught:
    error = f"{type(caught).__name__}: {caught}"
print(json.dumps({"whole": whole.content, "streamed": "".join(pieces), "pieces": len(pieces), "error": error}))
