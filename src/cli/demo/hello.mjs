export const handler = async (event, context) => ({
  statusCode: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    message: `hello from the function ${context.functionName}, in Node ${process.version}`,
    path: event.rawPath,
    requestId: context.awsRequestId,
  }),
});
