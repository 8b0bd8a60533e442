// Uploads a file with tus-js-client as it is published: `node upload.js FILE ENDPOINT TOKEN HOW`.
// HOW: `parallel` sends four parts at once; `resume` gives up in the middle and goes on from there;
// `deferred` sends a stream whose length it does not know. Prints the upload's address.
'use strict'

const fs = require('node:fs')
const { PassThrough } = require('node:stream')
const { createRequire } = require('node:module')
const tus = createRequire(process.env.TUS_JS_MODULES + '/')('tus-js-client')

const [file, endpoint, token, how] = process.argv.slice(2)
const always = {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: 'سفر.mp4', filetype: 'video/mp4' },
  retryDelays: [0, 100, 200, 400],
}

function run(source, options, giveUpAt = Infinity) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(source, {
      ...always,
      ...options,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onProgress: (sent) => {
        if (sent >= giveUpAt) upload.abort().then(() => resolve(upload.url), reject)
      },
    })
    upload.start()
  })
}

async function main() {
  const stream = () => fs.createReadStream(file)
  switch (how) {
    case 'parallel':
      return run(stream(), { parallelUploads: 4 })
    case 'resume': {
      const uploadUrl = await run(stream(), {}, fs.statSync(file).size / 2)
      return run(stream(), { uploadUrl })
    }
    case 'deferred':
      return run(stream().pipe(new PassThrough()), { uploadLengthDeferred: true, chunkSize: 32 * 1024 * 1024 })
    default:
      throw new Error(`how? ${how}`)
  }
}

main().then((url) => console.log(url), (error) => { console.error(error); process.exit(1) })
