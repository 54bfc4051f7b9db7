setTimeout(() => {
  const late = document.createElement("p");
  late.id = "late";
  late.textContent = "The post has arrived: all lights are lit.";
  document.getElementById("early").replaceWith(late);
}, 300);
