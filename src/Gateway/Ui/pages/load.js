// Data of the admin API that is asked for again when something has happened.
import { useEffect, useRef, useState } from "/ui/view.js";
import { admin } from "/ui/api.js";

/** { data, problem, again }. Asks at once and, at most every half second, whenever changes grows. */
export function useAdmin(path, changes = 0) {
  const [state, setState] = useState({ data: null, problem: null });
  const [turn, setTurn] = useState(0);
  const last = useRef(0);
  useEffect(() => {
    const end = new AbortController();
    const wait = Math.max(0, last.current + 500 - performance.now());
    const timer = setTimeout(async () => {
      last.current = performance.now();
      try {
        setState({ data: await admin(path, { signal: end.signal }), problem: null });
      } catch (error) {
        if (!end.signal.aborted) setState(current => ({ ...current, problem: error.message }));
      }
    }, wait);
    return () => { clearTimeout(timer); end.abort(); };
  }, [path, changes, turn]);
  return { ...state, again: () => setTurn(current => current + 1) };
}
