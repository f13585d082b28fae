"use strict";
(() => {
  const film = JSON.parse(document.getElementById("film").textContent);
  const byId = (id) => document.getElementById(id);
  const canvas = byId("heart"), pen = canvas.getContext("2d");
  const slider = byId("frame"), play = byId("play"), speed = byId("speed"), contours = byId("contours");
  const NARROWEST = 104, CAPTION = 22, FOOT = 26, GAP = 8, PAPER = 1050;
  let current = 0, playing = false, before = 0, carried = 0, layout = null;

  const load = (heart) => new Promise((done, fail) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = fail;
    image.src = heart.sprite;
  });

  function arrange(wide) {
    const dense = window.devicePixelRatio || 1;
    const columns = Math.max(1, Math.min(film.slices, Math.floor(wide / NARROWEST)));
    const rows = Math.ceil(film.slices / columns), side = wide / columns, tall = side * film.height / film.width;
    const block = CAPTION + rows * tall + GAP, high = film.hearts.length * block + FOOT;
    canvas.style.height = high + "px";
    canvas.width = Math.round(wide * dense);
    canvas.height = Math.round(high * dense);
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    layout = { wide, high, columns, side, tall, block };
  }

  function place(slice, number) {
    const row = Math.floor(slice / layout.columns);
    return [(slice % layout.columns) * layout.side, number * layout.block + CAPTION + row * layout.tall];
  }

  function outline(lines, colour, left, top) {
    const zoom = layout.side / film.width / 2;
    pen.strokeStyle = colour;
    for (const line of lines) {
      pen.beginPath();
      for (let k = 0; k < line.length; k += 2) pen.lineTo(left + zoom * line[k], top + zoom * line[k + 1]);
      pen.stroke();
    }
  }

  function words(text, x, y, align) {
    pen.textAlign = align;
    pen.fillStyle = "#000";
    const width = pen.measureText(text).width, from = align === "right" ? x - width : x;
    pen.globalAlpha = 0.6;
    pen.fillRect(from - 2, y - 12, width + 4, 16);
    pen.globalAlpha = 1;
    pen.fillStyle = "#fff";
    pen.fillText(text, x, y);
  }

  function drawHeart(number) {
    const heart = film.hearts[number];
    pen.fillStyle = "#fff";
    pen.textAlign = "left";
    pen.fillText(heart.name, 4, number * layout.block + 15);
    for (let slice = 0; slice < film.slices; slice++) {
      const [left, top] = place(slice, number);
      pen.drawImage(heart.image, slice * film.width, current * film.height, film.width, film.height,
        left, top, layout.side, layout.tall);
      if (contours.checked && heart.contours) {
        heart.contours[current][slice].forEach((lines, k) => outline(lines, film.colours[k], left, top));
      }
    }
    const [first, upper] = place(0, number), [last, lower] = place(film.slices - 1, number);
    words("base", first + 4, upper + 14, "left");
    words("apex", last + layout.side - 4, lower + 14, "right");
  }

  function drawScale() {
    const length = film.scale_mm / film.pixel_mm * layout.side / film.width, y = layout.high - 12;
    pen.strokeStyle = "#fff";
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(4, y - 4); pen.lineTo(4, y + 4); pen.moveTo(4, y); pen.lineTo(4 + length, y);
    pen.moveTo(4 + length, y - 4); pen.lineTo(4 + length, y + 4);
    pen.stroke();
    pen.fillStyle = "#fff";
    pen.textAlign = "left";
    pen.fillText(film.scale_mm + " mm", 12 + length, y + 5);
  }

  function move(id, x) {
    const line = byId(id);
    if (!line || x === null) return;
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.setAttribute("visibility", "visible");
  }

  function show(frame) {
    current = frame;
    slider.value = frame;
    slider.setAttribute("aria-valuetext", film.frames[frame]);
    byId("moment").textContent = film.frames[frame];
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, layout.wide, layout.high);
    pen.font = "13px system-ui, sans-serif";
    pen.lineWidth = Math.max(1, layout.side / 130);
    pen.lineJoin = "round";
    film.hearts.forEach((_, number) => drawHeart(number));
    drawScale();
    if (film.ecg_x.length) {
      move("strip-marker", film.ecg_x[frame][0]);
      move("column-marker", film.ecg_x[frame][1]);
    }
    if (film.volume_x.length) move("volume-marker", film.volume_x[frame]);
  }

  function step(now) {
    if (!playing) return;
    const each = film.length_ms / film.frames.length / Number(speed.value);
    carried += before ? Math.min(now - before, 1000) : 0;
    before = now;
    const passed = Math.floor(carried / each);
    if (passed) {
      carried -= passed * each;
      show((current + passed) % film.frames.length);
    }
    requestAnimationFrame(step);
  }

  function setPlaying(wanted) {
    playing = wanted;
    play.textContent = playing ? "Pause" : "Play";
    play.setAttribute("aria-pressed", String(playing));
    before = carried = 0;
    if (playing) requestAnimationFrame(step);
  }

  Promise.all(film.hearts.map(load)).then((images) => {
    film.hearts.forEach((heart, number) => { heart.image = images[number]; });
    slider.addEventListener("input", () => { setPlaying(false); show(Number(slider.value)); });
    play.addEventListener("click", () => setPlaying(!playing));
    contours.addEventListener("change", () => show(current));
    const paper = byId("ecg-paper");
    const fit = (wide) => {
      arrange(wide);
      show(current);
      byId("ecg-hint").hidden = paper.scrollWidth <= paper.clientWidth;
    };
    fit(canvas.clientWidth);
    let printing = false;
    addEventListener("resize", () => fit(canvas.clientWidth));
    new ResizeObserver(() => {  // within another page, a frame may have no width yet
      if (!printing && canvas.clientWidth !== layout.wide) fit(canvas.clientWidth);
    }).observe(canvas);
    addEventListener("beforeprint", () => { printing = true; setPlaying(false); fit(PAPER); });
    addEventListener("afterprint", () => { printing = false; fit(canvas.clientWidth); });
    setPlaying(!matchMedia("(prefers-reduced-motion: reduce)").matches);
  });
})();
