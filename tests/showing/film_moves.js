// Whether a canvas shows frames that differ, within twenty seconds.
canvas => new Promise(done => {
  const seen = () => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.join();
  const end = Date.now() + 20000;
  const frames = new Set();  // three: an empty picture and two of the film
  const looking = setInterval(() => {
    if (canvas.width && canvas.height) frames.add(seen());
    if (frames.size < 3 && Date.now() < end) return;
    clearInterval(looking);
    done(frames.size >= 3);
  }, 50);
})
