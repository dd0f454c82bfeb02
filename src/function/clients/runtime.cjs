// Speaks Lambda's Runtime API for a plain handler of Node.js (18 or newer, its own modules alone).
//
// The interpreter reads this from standard input. One connection is kept for all events, and an answer
// is one write; a streamed one is chunks, as the function writes them.
'use strict';

const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { Writable, finished } = require('node:stream');
const { createRequire } = require('node:module');
const { pathToFileURL } = require('node:url');

const API = '/2018-06-01/runtime/';
const ENV = process.env;
const ROOT = ENV.LAMBDA_TASK_ROOT || process.cwd();
const HEAD_END = Buffer.from('\r\n\r\n');
const STREAMING = Symbol.for('shardgate.lambda.streaming');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';

/** The Runtime API, over one connection. One call is under way at a time. */
class Connection {
  constructor(address) {
    const at = address.lastIndexOf(':');
    this.host = address;
    this.unread = null;
    this.waiting = null;
    this.socket = net.connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), noDelay: true });
    this.socket.on('data', (data) => this.take(data));
    this.socket.on('error', (error) => {
      process.stderr.write(`the Runtime API is gone: ${error.message}\n`);
      process.exit(1);
    });
    // The gateway is done with this process.
    this.socket.on('close', () => process.exit(0));
  }

  call(method, target, headers, body) {
    let head = `${method} ${API}${target} HTTP/1.1\r\nHost: ${this.host}\r\n`;
    if (headers) head += headers;
    if (body === undefined) {
      this.socket.write(`${head}\r\n`);
    } else {
      // As one text, so that it is one write.
      this.socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    }
    return this.answer();
  }

  /** The same, and asks for the next event in the same write; its answer is the next one. */
  callAndAsk(target, headers, body) {
    this.socket.write(`POST ${API}${target} HTTP/1.1\r\nHost: ${this.host}\r\n${headers}`
      + `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}${this.question()}`);
    return this.answer();
  }

  /** Asks for the next event. */
  ask() {
    this.socket.write(this.question());
  }

  question() {
    return `GET ${API}invocation/next HTTP/1.1\r\nHost: ${this.host}\r\n\r\n`;
  }

  answer() {
    return new Promise((done) => {
      this.waiting = done;
      if (this.unread) this.take(null);
    });
  }

  take(data) {
    if (data) this.unread = this.unread ? Buffer.concat([this.unread, data]) : data;
    if (!this.waiting || !this.unread) return;
    const answer = parse(this.unread);
    if (!answer) return;
    this.unread = answer.end < this.unread.length ? this.unread.subarray(answer.end) : null;
    const done = this.waiting;
    this.waiting = null;
    done(answer);
  }

  // While a handler works, the connection alone does not keep the process busy: an empty event loop is
  // how one that never answers is found out.
  rest() {
    this.socket.unref();
  }

  wake() {
    this.socket.ref();
  }
}

/** One answer, if all of it is there. */
function parse(bytes) {
  const at = bytes.indexOf(HEAD_END);
  if (at < 0) return null;
  const lines = bytes.latin1Slice(0, at).split('\r\n');
  const headers = {};
  for (let index = 1; index < lines.length; index += 1) {
    const colon = lines[index].indexOf(':');
    headers[lines[index].slice(0, colon).toLowerCase()] = lines[index].slice(colon + 1).trim();
  }
  const status = Number(lines[0].split(' ')[1]);
  const start = at + HEAD_END.length;
  if ((headers['transfer-encoding'] || '').toLowerCase() === 'chunked') {
    return parseChunks(bytes, start, status, headers);
  }
  const end = start + Number(headers['content-length'] || 0);
  return end > bytes.length ? null : { status, headers, body: bytes.subarray(start, end), end };
}

function parseChunks(bytes, start, status, headers) {
  const parts = [];
  for (let at = start; ;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = parseInt(bytes.latin1Slice(at, line), 16);
    if (size === 0) {
      const last = bytes.indexOf(HEAD_END, line);
      return last < 0 ? null : { status, headers, body: Buffer.concat(parts), end: last + HEAD_END.length };
    }
    if (line + 2 + size + 2 > bytes.length) return null;
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/** An error in Lambda's form for Node.js. */
function errorObject(error) {
  if (error && typeof error === 'object' && typeof error.message === 'string') {
    const trace = typeof error.stack === 'string' ? error.stack.split('\n') : [];
    return { errorType: error.name || 'Error', errorMessage: error.message, trace };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function named(name, message, cause) {
  const error = new Error(message);
  error.name = name;
  error.stack = cause && cause.stack ? `${name}: ${cause.stack}` : `${name}: ${message}`;
  return error;
}

/** A header's value has no line ends and no characters above Latin-1. */
function headerValue(text) {
  return String(text).replace(/[^\x20-\x7e]/g, '?');
}

function sendError(connection, target, error, asks) {
  const object = errorObject(error);
  process.stderr.write(`${object.trace.length ? object.trace.join('\n') : `${object.errorType}: ${object.errorMessage}`}\n`);
  const headers = `Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: ${headerValue(object.errorType)}\r\n`;
  const body = JSON.stringify(object);
  return asks ? connection.callAndAsk(target, headers, body) : connection.call('POST', target, headers, body);
}

/** What a function streams its answer into. */
class ResponseStream extends Writable {
  constructor(connection, target) {
    super();
    this.connection = connection;
    this.target = target;
    this.contentType = 'application/octet-stream';
    this.hasBegun = false;
    this.isOver = false;
    this.prelude = null;
  }

  setContentType(contentType) {
    this.contentType = contentType;
  }

  _onBeforeFirstWrite(prelude) {
    this.prelude = prelude;
  }

  begin() {
    if (this.hasBegun) return '';
    this.hasBegun = true;
    this.connection.wake();
    const head = `POST ${API}${this.target}response HTTP/1.1\r\nHost: ${this.connection.host}\r\n`
      + `Content-Type: ${headerValue(this.contentType)}\r\n`
      + 'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n'
      + 'Trailer: Lambda-Runtime-Function-Error-Type\r\nTrailer: Lambda-Runtime-Function-Error-Body\r\n\r\n';
    if (this.prelude === null) return head;
    return `${head}${Buffer.byteLength(this.prelude).toString(16)}\r\n${this.prelude}\r\n`;
  }

  // Writes the connection's way: the function waits where the client does.
  _write(chunk, encoding, done) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
    const { socket } = this.connection;
    socket.cork();
    const head = this.begin();
    if (head) socket.write(head);
    if (bytes.length > 0) {
      socket.write(`${bytes.length.toString(16)}\r\n`);
      socket.write(bytes);
      socket.write('\r\n');
    }
    const hasRoom = !socket.writableNeedDrain;
    socket.uncork();
    if (hasRoom) done();
    else socket.once('drain', () => done());
  }

  _final(done) {
    this.connection.socket.write(`${this.begin()}0\r\n\r\n`);
    this.isOver = true;
    done();
  }

  /** Ends what has begun with an error behind it. */
  fail(error) {
    const object = errorObject(error);
    process.stderr.write(`${object.trace.join('\n') || object.errorMessage}\n`);
    // One that fails after its end has answered all the same.
    if (this.isOver) return;
    const body = Buffer.from(JSON.stringify(object)).toString('base64');
    this.connection.socket.write(`0\r\nLambda-Runtime-Function-Error-Type: ${headerValue(object.errorType)}\r\n`
      + `Lambda-Runtime-Function-Error-Body: ${body}\r\n\r\n`);
  }
}

globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAMING] = options || {};
    return handler;
  },
  HttpResponseStream: {
    from(stream, metadata) {
      stream.setContentType(PRELUDE_TYPE);
      stream._onBeforeFirstWrite(`${JSON.stringify(metadata)}\0\0\0\0\0\0\0\0`);
      return stream;
    },
  },
};

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms'] || 0);
  const parsed = (name) => (headers[name] ? JSON.parse(headers[name]) : undefined);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: ENV.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: ENV.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: ENV.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: ENV.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: ENV.AWS_LAMBDA_LOG_STREAM_NAME,
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    identity: parsed('lambda-runtime-cognito-identity'),
    clientContext: parsed('lambda-runtime-client-context'),
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

/** Set while a handler has not answered: what happens when nothing is left to do. */
let whenIdle = null;
process.on('beforeExit', () => {
  const act = whenIdle;
  whenIdle = null;
  if (act) act();
});

/** The request that is worked on, for errors that no one catches. */
let current = null;

/** Calls a handler that answers by a promise or by a callback. */
function invoke(handler, event, context) {
  return new Promise((resolve, reject) => {
    whenIdle = () => resolve(null);
    const settle = (act) => {
      if (context.callbackWaitsForEmptyEventLoop) whenIdle = act;
      else act();
    };
    const callback = (error, result) => settle(() => {
      if (error !== undefined && error !== null) reject(error);
      else resolve(result);
    });
    context.done = callback;
    context.succeed = (result) => callback(null, result);
    context.fail = (error) => callback(error === undefined || error === null ? 'handled' : error);
    let returned;
    try {
      returned = handler(event, context, callback);
    } catch (error) {
      reject(error);
      return;
    }
    if (returned && typeof returned.then === 'function') returned.then(resolve, reject);
  });
}

async function answer(connection, handler, request) {
  const id = request.headers['lambda-runtime-aws-request-id'];
  const target = `invocation/${id}/`;
  const traceId = request.headers['lambda-runtime-trace-id'];
  if (traceId) ENV._X_AMZN_TRACE_ID = traceId;
  else delete ENV._X_AMZN_TRACE_ID;
  current = target;
  connection.rest();
  let event;
  let context;
  try {
    event = JSON.parse(request.body.utf8Slice());
    context = contextOf(request.headers);
  } catch (error) {
    connection.wake();
    await sendError(connection, `${target}error`, error, true);
    return;
  }
  if (handler[STREAMING]) await stream(connection, handler, event, context, target);
  else await buffered(connection, handler, event, context, target);
}

async function buffered(connection, handler, event, context, target) {
  let body;
  try {
    const result = await invoke(handler, event, context);
    body = JSON.stringify(result === undefined ? null : result);
    if (body === undefined) body = 'null';
  } catch (error) {
    whenIdle = null;
    connection.wake();
    await sendError(connection, `${target}error`, error, true);
    return;
  }
  whenIdle = null;
  connection.wake();
  const said = await connection.callAndAsk(`${target}response`, 'Content-Type: application/json\r\n', body);
  if (said.status !== 202) {
    // The call has failed by that, as the gateway told its caller.
    process.stderr.write(`the answer was refused: ${said.body.utf8Slice().trim()}\n`);
  }
}

async function stream(connection, handler, event, context, target) {
  const out = new ResponseStream(connection, target);
  const ended = new Promise((resolve, reject) => {
    finished(out, (error) => (error ? reject(error) : resolve()));
  });
  ended.catch(() => {});
  try {
    await new Promise((resolve, reject) => {
      whenIdle = resolve;
      ended.catch(reject);
      Promise.resolve(handler(event, out, context)).then(resolve, reject);
    });
    // What was written is on its way; a handler that forgot to end it has.
    if (!out.writableEnded) out.end();
    whenIdle = null;
    connection.wake();
    await ended;
  } catch (error) {
    whenIdle = null;
    connection.wake();
    out.on('error', () => {});
    out.destroy();
    if (!out.hasBegun) {
      await sendError(connection, `${target}error`, error, true);
      return;
    }
    out.fail(error);
  }
  await connection.answer();
  connection.ask();
}

/** The type of modules in a folder, as Node.js finds it. */
function isModule(file) {
  if (file.endsWith('.mjs')) return true;
  if (file.endsWith('.cjs')) return false;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error.code !== 'ENOENT') return false;
    }
    if (folder === path.dirname(folder)) return false;
  }
}

async function loadModule(name) {
  const base = path.resolve(ROOT, name);
  const files = [base, `${base}.js`, `${base}.mjs`, `${base}.cjs`];
  const file = files.find((one) => fs.existsSync(one) && fs.statSync(one).isFile());
  try {
    if (!file) {
      const error = new Error(`Cannot find module '${name}'`);
      error.code = 'MODULE_NOT_FOUND';
      throw error;
    }
    if (isModule(file)) return await import(pathToFileURL(file).href);
    try {
      return createRequire(path.join(ROOT, 'main.js'))(file);
    } catch (error) {
      const isEsm = error.code === 'ERR_REQUIRE_ESM' || error.code === 'ERR_REQUIRE_ASYNC_MODULE';
      if (!isEsm) throw error;
      return await import(pathToFileURL(file).href);
    }
  } catch (error) {
    const code = error && error.code;
    if (error instanceof SyntaxError) throw named('Runtime.UserCodeSyntaxError', String(error), error);
    if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') {
      throw named('Runtime.ImportModuleError', String(error), error);
    }
    throw error;
  }
}

async function loadHandler(name) {
  const slash = name.lastIndexOf('/');
  const dot = name.indexOf('.', slash + 1);
  if (dot < 0) throw named('Runtime.MalformedHandlerName', 'Bad handler');
  const [file, exported] = [name.slice(0, dot), name.slice(dot + 1)];
  const loaded = await loadModule(file);
  const find = (from) => exported.split('.').reduce((value, part) => (value == null ? value : value[part]), from);
  const found = find(loaded) ?? find(loaded && loaded.default);
  if (found === undefined || found === null) {
    throw named('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  }
  if (typeof found !== 'function') throw named('Runtime.HandlerNotFound', `${name} is not a function`);
  return found;
}

/** Nobody caught it: the request fails, and this process with it. */
function fail(connection, error, code) {
  const target = current ? `${current}error` : 'init/error';
  connection.wake();
  setTimeout(() => process.exit(code), 1000);
  sendError(connection, target, error).then(() => process.exit(code));
}

async function main() {
  const connection = new Connection(ENV.AWS_LAMBDA_RUNTIME_API);
  process.on('uncaughtException', (error) => fail(connection, error, 129));
  process.on('unhandledRejection', (reason) => {
    const error = named('Runtime.UnhandledPromiseRejection', String(reason), reason);
    fail(connection, error, 128);
  });
  let handler;
  try {
    handler = await loadHandler(ENV._HANDLER);
  } catch (error) {
    await sendError(connection, 'init/error', error);
    process.exit(1);
  }
  connection.ask();
  for (;;) {
    const request = await connection.answer();
    if (request.status !== 200) {
      process.stderr.write(`the Runtime API answered ${request.status}\n`);
      process.exit(1);
    }
    await answer(connection, handler, request);
    current = null;
  }
}

process.argv.splice(1);
main();
