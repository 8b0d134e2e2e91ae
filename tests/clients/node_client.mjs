// The openai npm package against the endpoint; prints what it heard as JSON. Arguments: base URL, key, model, question.
import { createRequire } from "node:module";

const { OpenAI } = createRequire(`${process.env.CLIENT_MODULES}/`)("openai");
const [baseURL, apiKey, model, asked] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const body = { model, messages: [{ role: "user", content: asked }], temperature: 0, max_tokens: 8 };

const models = [];
for await (const each of client.models.list()) models.push(each.id);
const whole = await client.chat.completions.create(body);
const pieces = [];
const stream = await client.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } });
let usage = null;
for await (const chunk of stream) {
  pieces.push(chunk.choices[0]?.delta?.content ?? "");
  usage = chunk.usage ?? usage;
}

const errorOf = async (work) => {
  try {
    await work();
    return null;
  } catch (error) {
    return { name: error.constructor.name, status: error.status, code: error.code, message: error.message };
  }
};
const unknown = await errorOf(() => client.chat.completions.create({ ...body, model: "nobody" }));
const stranger = await errorOf(() => new OpenAI({ baseURL, apiKey: "sc-wrong", maxRetries: 0 }).models.list());

console.log(
  JSON.stringify({
    models,
    whole: whole.choices[0].message.content,
    streamed: pieces.join(""),
    pieces: pieces.filter(Boolean).length,
    tokens: usage?.completion_tokens,
    unknown,
    stranger,
  }),
);
