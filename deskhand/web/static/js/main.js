// The start of every signed-in page.
import "app/behaviors";
import "app/keys";
import "app/once";
import "app/theme";
import "app/ticked";
import "app/times";
import "app/toast";

document.documentElement.dataset.js = "";
