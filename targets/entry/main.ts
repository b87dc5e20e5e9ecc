// The entry of every packed executable: says where the addon is, then runs the program. The order
// of these imports is the order in which they run.
import './provide.js';
import '../../runtime/main.js';
