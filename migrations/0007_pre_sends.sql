-- The sends of challenges; this file is the dispatcher's, whose branch brings its content.
SELECT 1;
